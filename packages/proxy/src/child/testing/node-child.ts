import { execFile, type ChildProcess } from 'node:child_process'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A Node process that runs `code` as a module of this folder, with this environment laid over ours. */
export function nodeChild(
  code: string,
  env: Readonly<Record<string, string>>,
  ...args: string[]
): { process: ChildProcess; ended: Promise<Ended> } {
  return start(['--input-type=module', '--eval', code, '--', ...args], env)
}

/** The same of a file. */
export function runFile(file: string, env: Readonly<Record<string, string>>, ...args: string[]): Promise<Ended> {
  return start([file, ...args], env).ended
}

function start(args: string[], env: Readonly<Record<string, string>>): { process: ChildProcess; ended: Promise<Ended> } {
  const { promise, resolve } = Promise.withResolvers<Ended>()
  const options = { cwd: import.meta.dirname, env: { ...process.env, ...env }, encoding: 'utf8' } as const
  const child = execFile(process.execPath, args, options, (_error, stdout, stderr) => {
    resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr })
  })
  return { process: child, ended: promise }
}
