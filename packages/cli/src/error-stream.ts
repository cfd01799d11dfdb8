import { spawn } from 'node:child_process'
import { fstatSync } from 'node:fs'
import type { Writable } from 'node:stream'

/** Bytes that may wait for a terminal that was stopped, or for a reader that does not read. */
const limit = 4 * 1024 * 1024

/** ms that a reader gets at the end to take the rest. */
const patience = 1000

/**
 * Writes to standard error, and never waits for who reads it. Node itself writes to terminals and pipes in the same turn, for as long as
 * that takes; a thread that waits there could not be ended; and to make it not wait would change what our children have inherited.
 */
export class ErrorStream {
  #writer: Writer | undefined
  #lost = 0

  /** Over the limit, lines are left out, and counted. */
  write(text: string): void {
    const { out } = (this.#writer ??= this.#start())
    if (out.writableLength + text.length > limit) return void this.#lost++
    out.write(text)
  }

  /** Resolves once everything is written, or its reader has had its time. */
  async close(): Promise<void> {
    this.#tellLoss()
    await this.#writer?.end()
    this.#writer = undefined
  }

  #start(): Writer {
    const writer = fstatSync(2).isFile() || process.platform === 'win32' ? undefined : startWriter()
    const { out, end } = writer ?? { out: process.stderr, end: () => Promise.resolve() }
    out.on('drain', this.#tellLoss)
    return { out, end }
  }

  readonly #tellLoss = (): void => {
    const lost = this.#lost
    this.#lost = 0
    if (lost > 0) this.#writer?.out.write(`midwire: ${lost} lines are left out here: standard error was not read\n`)
  }
}

interface Writer {
  readonly out: Writable
  end(): Promise<void>
}

/** A process of its own: in a session of its own, too, so that Ctrl-C does not end it before its time. */
function startWriter(): Writer {
  const child = spawn('cat', { stdio: ['pipe', 2, 'ignore'], detached: true })
  const { stdin } = child
  if (!stdin) throw new Error('a pipe that was asked for is not there')
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  child.on('close', () => resolve())
  // Nobody reads any more, or there is no such program: then there is nothing to be shown on.
  child.on('error', () => resolve())
  stdin.on('error', () => resolve())
  return {
    out: stdin,
    async end() {
      stdin.end()
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        resolve()
      }, patience)
      await closed
      clearTimeout(timer)
    },
  }
}
