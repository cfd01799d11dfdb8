import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where this machine has Chromium; `undefined` if it has none. `CHROMIUM_PATH` of the environment says otherwise. */
export const executablePath: string | undefined = process.env['CHROMIUM_PATH'] || inPath(['chromium', 'chromium-browser', 'google-chrome'])

/** For the names of tests that cannot run without it. */
export const skipReason: string = executablePath === undefined ? ' (skipped: no Chromium in PATH, nor CHROMIUM_PATH)' : ''

function inPath(names: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return names.flatMap(name => folders.map(folder => join(folder, name))).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
