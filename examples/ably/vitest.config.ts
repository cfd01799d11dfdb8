import { midwire } from '@midwire/vitest-plugin/config'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [midwire()],
  // The files share a worker, and the client is loaded once: that halves the time they take.
  test: { isolate: false },
})
