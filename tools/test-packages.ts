// Runs a small project against the packages as they are published: built, packed, unpacked, and reached by their published exports.
//
//   node tools/test-packages.ts                  takes what they depend on from this workspace: needs no network
//   node tools/test-packages.ts --npm [VITEST]   installs them with npm in an empty folder, with that version of vitest
//
// The project runs on the Node that runs this file.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Tarball {
  /** Of the package's folder. */
  readonly name: string
  readonly tarball: string
}

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly Result[] }[]
}

interface Result {
  readonly title: string
  readonly status: string
  readonly failureMessages: readonly string[]
}

const root = fileURLToPath(new URL('..', import.meta.url))
const packages = ['proxy', 'sdk', 'vitest-plugin', 'cli']
const [mode, vitestVersion = '5'] = process.argv.slice(2)

// What it installs must be what an npm of today installs for this Node, and scripts must find this Node, not another.
const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}` }
for (const name of Object.keys(env)) if (/^(VITEST|NODE_OPTIONS$|npm_)/i.test(name)) delete env[name]

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'midwire-packages-')))
try {
  const tarballs = pack(folder)
  const project = join(folder, 'project')
  cpSync(join(root, 'tools', 'consumer'), project, { recursive: true })
  const others = [`vitest@${vitestVersion}`, 'ws', 'typescript', '@types/node', '@types/ws']
  const libraries = tarballs.filter(({ name }) => name !== 'cli')
  if (mode === '--npm') install(project, libraries, others)
  else link(project, libraries)
  run(project)
  // It brings what is optional for others, whom it would do without here.
  const commandLine = join(folder, 'command-line')
  mkdirSync(commandLine)
  const parts = tarballs.filter(({ name }) => name !== 'vitest-plugin')
  if (mode === '--npm') install(commandLine, parts)
  else link(commandLine, parts)
  runCommandLine(commandLine)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Tarballs of a clean build. */
function pack(into: string): Tarball[] {
  for (const name of packages) rmSync(join(root, 'packages', name, 'dist'), { recursive: true, force: true })
  node(root, join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b', 'tsconfig.build.json')
  node(root, join('tools', 'bundle.ts'))
  const pnpm = process.env['npm_execpath']
  const [command, ...first] = pnpm?.includes('pnpm') ? ([pnpm] as const) : (['npx', '-y', 'pnpm@12'] as const)
  return packages.map(name => {
    execFileSync(command, [...first, 'pack', '--pack-destination', into], { cwd: join(root, 'packages', name), stdio: 'pipe' })
    const [tarball] = globSync(`midwire-${name}-*.tgz`, { cwd: into })
    assert(tarball, `pnpm pack left no tarball of ${name}`)
    return { name, tarball: join(into, tarball) }
  })
}

function install(project: string, tarballs: readonly Tarball[], others: readonly string[] = []): void {
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  execFileSync('npm', ['install', '--save-dev', '--no-audit', '--no-fund', ...tarballs.map(({ tarball }) => tarball), ...others], {
    cwd: project,
    env,
    stdio: 'pipe',
  })
}

/** Only what the packages declare is within their reach. */
function link(project: string, tarballs: readonly Tarball[]): void {
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const modules = join(project, 'node_modules')
  const linked = new Set<string>()
  const linkFrom = (from: string, name: string): void => {
    if (linked.has(name)) return
    linked.add(name)
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(realpathSync(join(root, from, 'node_modules', name)), join(modules, name), 'junction')
  }
  for (const { name, tarball } of tarballs) {
    const target = join(modules, '@midwire', name)
    mkdirSync(target, { recursive: true })
    execFileSync('tar', ['-xzf', tarball, '-C', target, '--strip-components=1'])
    const { dependencies = {} } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')) as { dependencies?: object }
    for (const dependency of Object.keys(dependencies))
      if (!dependency.startsWith('@midwire/')) linkFrom(join('packages', name), dependency)
  }
  for (const name of ['vitest', 'ws', '@types/ws']) linkFrom(join('packages', 'vitest-plugin'), name)
  for (const name of ['typescript', '@types/node']) linkFrom('.', name)
}

function run(project: string): void {
  const modules = join(project, 'node_modules')
  const { version } = JSON.parse(readFileSync(join(modules, 'vitest', 'package.json'), 'utf8')) as { version: string }
  // One declaration of matchers cannot agree with both those of vitest 4 and those of vitest 5.
  checkTypes(project, version.startsWith('4') ? ['--skipLibCheck'] : [])
  node(project, 'entries.ts')

  const report = join(project, 'report.json')
  const vitest = join(modules, 'vitest', 'vitest.mjs')
  const { status, stdout, stderr } = spawnSync(process.execPath, [vitest, 'run', '--reporter=json', `--outputFile.json=${report}`], {
    cwd: project,
    env,
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(status, 1, `vitest ended with ${status}:\n${stdout}${stderr}`)
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
  const [met, unmet, ...more] = testResults.flatMap(({ assertionResults }) => assertionResults)
  assert(met?.status === 'passed', met?.failureMessages.join('\n') ?? stdout)
  assert(unmet?.status === 'failed', 'the wait that is never met did not fail')
  assert.deepEqual(more, [])
  const lines = readFileSync(join(project, 'realtime.test.ts'), 'utf8').split('\n')
  const at = (code: string): string => `realtime\\.test\\.ts:${lines.findIndex(line => line.includes(code)) + 1}`
  const expected = [
    String.raw`no server message matched \{ action: "ACK" \} within \d+ ms`,
    String.raw`  at ${at("waitForServerMessage({ action: 'ACK' })")} · test "a lost MESSAGE is never acknowledged"`,
    String.raw`  wss://main\.realtime\.example\.com/\?v=6  connection \d+, open`,
    String.raw`    +\+\d+ ms  server → client  text 22 B  \{ action: "CONNECTED" \}`,
    String.raw`    +\+\d+ ms  client → server  text 49 B  .*dropped by "lose the message" \(${at("named('lose the message')")}\)`,
  ]
  const text = unmet.failureMessages.join('\n')
  assert(new RegExp(expected.join('\n')).test(text), `the wait failed, but not with what was expected:\n${text}`)

  console.log(`The packages work as published, on Node ${process.versions.node} with vitest ${version}`)
}

/** Every declaration counts, but those of vitest's browser mode: it comes along where vitest is linked, and needs types of the DOM. */
function checkTypes(project: string, flags: readonly string[]): void {
  const tsc = join(project, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout, error } = spawnSync(process.execPath, [tsc, '-p', '.', '--pretty', 'false', ...flags], {
    cwd: project,
    env,
    encoding: 'utf8',
  })
  if (error) throw error
  const problems = stdout.split('\n').filter(line => line.includes('error TS') && !line.includes('node_modules/@vitest/browser'))
  assert.equal(problems.join('\n'), '')
}

/** A command, with a codec that is a package of its own. */
function runCommandLine(project: string): void {
  const { bin } = JSON.parse(readFileSync(join(project, 'node_modules', '@midwire', 'cli', 'package.json'), 'utf8')) as {
    readonly bin: { readonly midwire: string }
  }
  const main = join(project, 'node_modules', '@midwire', 'cli', bin.midwire)
  node(project, main, 'run', '--codec', 'msgpack', '--', process.execPath, '-e', '')
  console.log(`The command line works as published, on Node ${process.versions.node}`)
}

/** Runs a script on this Node; its output is shown where it fails. */
function node(cwd: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, env, encoding: 'utf8' })
  assert.equal(status, 0, `node ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
}
