import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { FixtureResults, FixtureTest } from './results-reporter.ts'

export interface FixtureOptions {
  /** Names of files in the folder, without `.fixture.ts`. */
  readonly files: readonly string[]
  /** Folder of the files and their configuration, in test/. @default 'fixtures' */
  readonly folder?: 'fixtures' | 'browser-fixtures'
  /** @default 'forks' */
  readonly pool?: 'forks' | 'threads' | 'vmThreads'
  /** @default true */
  readonly isolate?: boolean
  /** @default 2 */
  readonly workers?: number
  /** Uses `midwire()` in the configuration. @default true */
  readonly plugin?: boolean
  /** Environment of the run, beside this process's own. */
  readonly env?: Readonly<Record<string, string>>
}

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')

/** Runs fixture files in a vitest of their own, as a user would, and reads what it made of them. */
export async function runFixtures(options: FixtureOptions): Promise<FixtureRun> {
  const { files, pool = 'forks', isolate = true, workers = 2, plugin = true } = options
  const place = join(import.meta.dirname, options.folder ?? 'fixtures')
  const folder = mkdtempSync(join(tmpdir(), 'midwire-fixture-'))
  try {
    const results = join(folder, 'results.json')
    const flags = [`--pool=${pool}`, `--isolate=${isolate}`, `--maxWorkers=${workers}`, '--config', join(place, 'vitest.config.ts')]
    const args = [vitest, 'run', ...flags, ...files.map(file => join(place, `${file}.fixture.ts`))]
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      MIDWIRE_FIXTURE_RESULTS: results,
      MIDWIRE_FIXTURE_PLUGIN: plugin ? 'yes' : 'no',
      ...options.env,
    }
    // The run above this one must not be taken for the fixtures' own.
    for (const name of Object.keys(env)) if (/^VITEST|^NODE_OPTIONS$|^TEST$/.test(name)) delete env[name]
    const { code, output } = await collect(args, env, place)
    return new FixtureRun(readResults(results, output), code, output)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What a fixture run left. */
export class FixtureRun {
  readonly results: FixtureResults
  readonly exitCode: number | null
  /** Standard output and error in one, without colours. */
  readonly output: string

  constructor(results: FixtureResults, exitCode: number | null, output: string) {
    this.results = results
    this.exitCode = exitCode
    this.output = output
  }

  /** The one test whose name ends so. */
  test(ending: string): FixtureTest {
    return this.#one(this.results.tests, ending)
  }

  /** The one block or file whose name ends so. */
  suite(ending: string): FixtureTest {
    return this.#one(this.results.suites, ending)
  }

  /** Names of failed tests with the first line of each error: empty when all is well, readable when not. */
  get failures(): string[] {
    const failed = [...this.results.tests, ...this.results.suites].filter(({ state, errors }) => state === 'failed' && errors.length > 0)
    return [
      ...failed.flatMap(test => test.errors.map(error => `${test.name}: ${error.message.split('\n', 1)[0]}`)),
      ...this.results.unhandled.map(error => `unhandled: ${error.message}`),
    ]
  }

  #one(among: readonly FixtureTest[], ending: string): FixtureTest {
    const found = among.filter(test => test.name.endsWith(ending))
    const [first] = found
    if (first && found.length === 1) return first
    throw new Error(`${found.length} of ${among.length} end with "${ending}":\n${among.map(test => test.name).join('\n')}\n${this.output}`)
  }
}

function collect(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const take = (chunk: Buffer): void => {
      output += chunk.toString()
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', reject)
    child.once('close', code => resolve({ code, output: stripVTControlCharacters(output) }))
  })
}

function readResults(file: string, output: string): FixtureResults {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as FixtureResults
  } catch (cause) {
    throw new Error(`the fixture run left no results:\n${output}`, { cause })
  }
}
