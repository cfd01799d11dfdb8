import { midwire } from '@midwire/vitest-plugin/config'
import { defineConfig } from 'vitest/config'

export default defineConfig({ plugins: [midwire()] })
