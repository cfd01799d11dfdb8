import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/** What a program did. */
export interface Outcome {
  /** 128 + n is not told apart here: `signal` is that of the program itself. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly errors: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: string
}

/** Node strips types and compiles once for all runs: that is most of what a short run takes. */
const compileCache = join(tmpdir(), 'midwire-cli-compiled')

/** With nothing of this machine's settings: neither its proxies nor its authorities. */
function cleanEnvironment(env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: tmpdir(), LC_ALL: 'C', NODE_COMPILE_CACHE: compileCache, ...env }
}

/** A `midwire` that runs. */
export type Running = ChildProcessByStdio<Writable, Readable, Readable>

export function start(args: readonly string[], { env, cwd }: RunOptions = {}): Running {
  return spawn(process.execPath, [main, ...args], { env: cleanEnvironment(env), cwd, stdio: 'pipe' })
}

/** Runs `midwire` to its end. */
export async function midwire(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return outcomeOf(start(args, options), options.input)
}

/** Runs another program to its end. */
export async function program(file: string, args: readonly string[], { env, cwd, input }: RunOptions = {}): Promise<Outcome> {
  return outcomeOf(spawn(file, args, { env: cleanEnvironment(env), cwd, stdio: 'pipe' }), input)
}

export async function outcomeOf(child: Running, input?: string): Promise<Outcome> {
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const closed = once(child, 'close')
  const [output, errors] = await Promise.all([buffer(child.stdout), text(child.stderr)])
  const [code, signal] = (await closed) as [number | null, NodeJS.Signals | null]
  return { code, signal, output: String(output), errors }
}

/** Resolves with what matches, once a stream has said it. */
export function said(stream: Readable, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let seen = ''
    const look = (chunk: Buffer): void => {
      seen += String(chunk)
      const match = pattern.exec(seen)
      if (match) {
        stream.off('data', look)
        resolve(match)
      }
    }
    stream.on('data', look)
    stream.once('close', () => reject(new Error(`it never said ${String(pattern)}, but:\n${seen}`)))
  })
}

/** A folder for one test, gone after it. */
export function folderOf(): { readonly path: string; file(name: string): string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'midwire-cli-'))
  return { path, file: name => join(path, name), [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
