import { midwire } from '@midwire/vitest-plugin/config'
import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'
import { ResultsReporter } from '../results-reporter.ts'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'

export default defineConfig({
  plugins: [midwire()],
  test: {
    root: import.meta.dirname,
    include: ['*.fixture.ts'],
    globalSetup: ['server.ts'],
    reporters: ['default', new ResultsReporter()],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: { executablePath } }),
      instances: [{ browser: 'chromium' }],
    },
  },
})
