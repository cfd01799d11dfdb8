// Everything a change must pass, in one command. Its last line is the count of tests: `N passed, N failed`.
import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { installSystemPackages } from './system-packages.ts'

interface Count {
  readonly passed: number
  readonly failed: number
}

const root = fileURLToPath(new URL('..', import.meta.url))

function command(name: string, ...args: string[]): Promise<boolean> {
  console.log(`\n> ${[name, ...args].join(' ')}`)
  const started = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], shell: process.platform === 'win32' })
    child.once('error', reject)
    child.once('close', code => {
      console.log(`${code === 0 ? 'ok' : 'FAILED'} in ${Math.round(performance.now() - started)} ms: ${name}`)
      resolve(code === 0)
    })
  })
}

/** A step that is no test counts only when it fails, so that the last line never says `0 failed` of a run that did. */
async function check(name: string, ...args: string[]): Promise<Count> {
  return { passed: 0, failed: (await command(name, ...args)) ? 0 : 1 }
}

async function vitest(): Promise<Count> {
  const folder = mkdtempSync(join(tmpdir(), 'midwire-test-'))
  try {
    const report = join(folder, 'vitest.json')
    const ok = await command('vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`)
    const count = countOf(report)
    if (count.passed + count.failed === 0) return { passed: 0, failed: 1 }
    // A file that does not load and an error outside any test fail the run without a failed test.
    return ok || count.failed > 0 ? count : { passed: count.passed, failed: 1 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function countOf(report: string): Count {
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as Record<string, number>
    return { passed: numPassedTests ?? 0, failed: numFailedTests ?? 0 }
  } catch (error) {
    console.error(`vitest left no report: ${String(error)}`)
    return { passed: 0, failed: 0 }
  }
}

/** Tests of the packages that show the sdk under node:test. */
async function nodeTest(): Promise<Count> {
  const files = globSync('examples/node-test/**/*.test.ts', { cwd: root, exclude: ['**/node_modules/**'] }).map(file => join(root, file))
  console.log(`\n> node --test ${files.length} files`)
  if (files.length === 0) return { passed: 0, failed: 0 }
  let count: Count = { passed: 0, failed: 1 }
  const events = run({ files, concurrency: 1 })
  // The summary of the whole run is the one that names no file.
  events.on('test:summary', ({ file, counts }) => {
    if (file === undefined) count = { passed: counts.passed, failed: counts.failed + counts.cancelled }
  })
  const report = events.compose(new spec())
  report.pipe(process.stdout, { end: false })
  await finished(report)
  return count.passed + count.failed === 0 ? { passed: 0, failed: 1 } : count
}

if (process.env['CI'] === 'true') installSystemPackages()

const counts = [
  await check('tsc', '-b', 'tsconfig.build.json'),
  await check('tsc', '-p', 'tsconfig.json'),
  await check('oxlint', '--type-aware', '--deny-warnings'),
  await check('oxfmt', '--check'),
  await vitest(),
  await nodeTest(),
  await check('node', 'tools/test-packages.ts'),
]
const passed = counts.reduce((sum, count) => sum + count.passed, 0)
const failed = counts.reduce((sum, count) => sum + count.failed, 0)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
console.log(`\n${passed} passed, ${failed} failed`)
