import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/**
 * A port that accepts nobody any more: its thread sleeps, and its backlog is full. To a further client it is as a host that drops
 * packets.
 */
export class SaturatedServer implements AsyncDisposable {
  readonly port: number
  readonly #worker: Worker
  readonly #queued: readonly Socket[]

  private constructor(port: number, worker: Worker, queued: readonly Socket[]) {
    this.port = port
    this.#worker = worker
    this.#queued = queued
  }

  static async listen(): Promise<SaturatedServer> {
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads')
       const server = require('node:net').createServer()
       server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
         parentPort.postMessage(server.address().port)
         setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
       })`,
      { eval: true },
    )
    const port = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject))
    // Those that get through and those that do not: once one of them hangs, so will all after it.
    const queued: Socket[] = []
    for (;;) {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      queued.push(socket)
      const through = await Promise.race([
        new Promise<boolean>(resolve => socket.once('connect', () => resolve(true))),
        new Promise<boolean>(resolve => setTimeout(() => resolve(false), 300)),
      ])
      if (!through) return new SaturatedServer(port, worker, queued)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#queued) socket.destroy()
    await this.#worker.terminate()
  }
}
