import { Worker } from 'node:worker_threads'

/** Lines that may wait for a terminal that was stopped, or for a reader that does not read. */
const mostLines = 10_000

/** ms that a reader gets at the end to take the rest. */
const patience = 1000

/** Node writes to terminals and pipes in the same turn, and waits there for as long as it takes: this writes where nobody else waits. */
const writer = `
  const { parentPort } = require('node:worker_threads')
  const { writeSync } = require('node:fs')
  const pause = new Int32Array(new SharedArrayBuffer(4))
  function write(text) {
    let bytes = Buffer.from(text)
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(writeSync(2, bytes))
      } catch (error) {
        if (error.code !== 'EAGAIN') return
        Atomics.wait(pause, 0, 0, 10)
      }
    }
  }
  parentPort.on('message', text => {
    write(text)
    parentPort.postMessage(null)
  })
`

/** Writes to standard error, and never waits for who reads it. */
export class ErrorStream {
  readonly #worker: Worker
  #waiting = 0
  #lost = 0
  #onEmpty: (() => void) | undefined

  constructor() {
    this.#worker = new Worker(writer, { eval: true, execArgv: [], stderr: false })
    this.#worker.unref()
    this.#worker.on('message', () => {
      if (--this.#waiting > 0) return
      if (this.#lost > 0) this.#tellLoss()
      else this.#onEmpty?.()
    })
  }

  /** Over the limit, lines are left out, and counted. */
  write(text: string): void {
    if (this.#waiting >= mostLines) return void this.#lost++
    this.#waiting++
    this.#worker.postMessage(text)
  }

  /** Resolves once everything is written, or its reader has had its time. */
  async close(): Promise<void> {
    if (this.#waiting > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, patience)
      this.#onEmpty = resolve
      this.#worker.ref()
      await promise
      clearTimeout(timer)
    }
    await this.#worker.terminate()
  }

  #tellLoss(): void {
    const lost = this.#lost
    this.#lost = 0
    this.write(`midwire: ${lost} lines are left out: standard error was not read\n`)
  }
}
