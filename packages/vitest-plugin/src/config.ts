import { fileURLToPath } from 'node:url'
import { Authority } from '@midwire/proxy/authority'
import type { Plugin } from 'vitest/config'
import type { AuthorityOfRun } from './authority-of-run.ts'

let ofThisRun: AuthorityOfRun | undefined

/**
 * For `plugins` in vitest.config.ts: sees to it that every connection of a test file can be intercepted, also those of modules that keep
 * what they imported from `node:net` or `node:tls`, and that all files of a run trust one certificate authority.
 */
export function midwire(): Plugin {
  return {
    name: 'midwire',
    // Bundled in advance, they would have a vitest of their own.
    config: () => ({ optimizeDeps: { exclude: ['@midwire/vitest-plugin', '@midwire/sdk'] } }),
    // vitest waits for it, whatever the type says.
    // oxlint-disable-next-line typescript/no-misused-promises
    async configureVitest({ project }) {
      if (project.config.browser.enabled) {
        const { prepareBrowserMode } = await import('./browser/browser-mode.ts')
        return prepareBrowserMode(project, (ofThisRun ??= makeAuthority()))
      }
      // First, because setup files of the user's may import the client.
      project.config.setupFiles.unshift(fileURLToPath(import.meta.resolve('@midwire/vitest-plugin/setup')))
      // One for all projects of the run.
      project.provide('midwire:authority', (ofThisRun ??= makeAuthority()))
    },
  }
}

function makeAuthority(): AuthorityOfRun {
  const { certificate, key } = Authority.create()
  return { cert: certificate, key }
}
