import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Certificate, Upstream } from './middle.ts'
import type { Ports } from './server.ts'

export type LaneRequest =
  | { readonly do: 'prepare'; readonly title: string; readonly variant: string; readonly upstream: Upstream }
  | { readonly do: 'sample' }
  | { readonly do: 'done' }

export type LaneReply = { readonly value: number } | { readonly error: string }

/** To a process that has nothing but clients in it. */
export type ClientRequest =
  | { readonly do: 'open'; readonly url: string; readonly count: number }
  | { readonly do: 'sink'; readonly size: number; readonly frames: number }
  | { readonly do: 'close' }

/** Longer than any sample takes: what does not answer has failed. */
const patience = 60_000

/** A child process that answers each request with one message. */
export class Child {
  readonly #process: ChildProcess
  readonly #exit: Promise<unknown>

  constructor(file: string) {
    this.#process = fork(join(import.meta.dirname, file), { execArgv: [...process.execArgv, '--expose-gc'] })
    this.#exit = once(this.#process, 'exit')
  }

  /** @throws Error if the child says so, ends instead of answering, or takes more than a minute */
  async ask<T>(request: unknown): Promise<T> {
    const signal = AbortSignal.timeout(patience)
    const ended = this.#exit.then(() => {
      throw new Error('the process has ended')
    })
    this.#process.send(request as object)
    const [reply] = await Promise.race([once(this.#process, 'message', { signal }), ended])
    if ('error' in reply) throw new Error(reply.error)
    return reply as T
  }

  /** Lets the child exit by itself, so that `--cpu-prof` writes its profile; one that hangs is killed. */
  async end(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect()
    const killer = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
    await this.#exit
    clearTimeout(killer)
  }
}

export async function startServerProcess(certificate: Certificate): Promise<{ child: Child; ports: Ports }> {
  const child = new Child('server-process.ts')
  return { child, ports: await child.ask<Ports>(certificate) }
}
