import { defineConfig } from 'vitest/config'
import type { TestProjectInlineConfiguration } from 'vitest/config'

/** Packages need no settings of their own but these; examples bring the vitest.config.ts that a reader would write. */
function packageTests(name: string): TestProjectInlineConfiguration {
  return { extends: true, test: { name, root: `packages/${name}`, include: ['{src,test}/**/*.test.ts'] } }
}

export default defineConfig({
  test: {
    // Nothing is measured against the clock: this only ends what hangs, also on a machine that is busy with other things.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      packageTests('proxy'),
      packageTests('sdk'),
      packageTests('vitest-plugin'),
      packageTests('cli'),
      'examples/graphql-ws',
      'examples/ably',
      'examples/browser',
      'examples/mqtt',
      'examples/partysocket',
      'examples/socket.io',
      'examples/yjs',
    ],
  },
})
