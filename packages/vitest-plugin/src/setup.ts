// The setup file that `midwire()` adds. It runs before the imports of each test file, and lets everything through until the file calls
// `useInterceptionProxy()`.
import { prepareCapture } from '@midwire/proxy/capture'
import { afterAll } from 'vitest'

afterAll(prepareCapture())
