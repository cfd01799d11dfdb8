import { midwire } from '@midwire/vitest-plugin/config'
import { defineConfig } from 'vitest/config'

// A browser takes its time to start on a machine that is busy with other things.
export default defineConfig({ plugins: [midwire()], test: { testTimeout: 30_000, hookTimeout: 30_000 } })
