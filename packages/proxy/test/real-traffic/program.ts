import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { buffer, text } from 'node:stream/consumers'

/** What a program did. */
export interface Outcome {
  readonly code: number | null
  readonly output: Buffer
  readonly errors: string
}

/** The first line that a program says of its version, or undefined where it is missing. */
export function versionOf(program: string): string | undefined {
  return about(program)?.split('\n', 1)[0]
}

/** What a program says of its version on the line `Features:`. */
export function featuresOf(program: string): readonly string[] {
  return /^Features: (.*)$/m.exec(about(program) ?? '')?.[1]?.split(' ') ?? []
}

function about(program: string): string | undefined {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8', env: cleanEnvironment({}) })
  } catch {
    return undefined
  }
}

/** Runs a program with nothing of this machine's settings: neither its proxies nor its configuration files. */
export async function run(
  program: string,
  args: readonly string[],
  { env = {}, cwd, input }: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string; readonly input?: Uint8Array } = {},
): Promise<Outcome> {
  const child = spawn(program, args, { env: cleanEnvironment(env), cwd, stdio: 'pipe' })
  // It may end without having read all.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const closed = once(child, 'close')
  const [output, errors, [code]] = await Promise.all([buffer(child.stdout), text(child.stderr), closed])
  return { code: typeof code === 'number' ? code : null, output, errors }
}

function cleanEnvironment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: tmpdir(), LC_ALL: 'C', ...env }
}
