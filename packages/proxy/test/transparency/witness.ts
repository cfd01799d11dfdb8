import type { Socket } from 'node:net'
import { patience } from '../turns.ts'

/** One end of a session: writes what it is told, and remembers what it saw, in order. */
export class Witness {
  readonly socket: Socket
  /** What happened other than bytes, each with the number of bytes that had come before. */
  readonly marks: { readonly at: number; readonly what: string }[] = []
  readonly #name: string
  readonly #chunks: Buffer[] = []
  #length = 0
  #wake: (() => void) | undefined

  constructor(name: string, socket: Socket) {
    this.#name = name
    this.socket = socket
    socket.on('data', chunk => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      this.#wake?.()
    })
    socket.on('end', () => this.#mark('fin'))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#mark(error.code === 'ECONNRESET' ? 'rst' : String(error)))
    socket.on('close', () => this.#wake?.())
  }

  get received(): Buffer {
    if (this.#chunks.length > 1) this.#chunks.splice(0, Infinity, Buffer.concat(this.#chunks))
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  get length(): number {
    return this.#length
  }

  /** True once nothing more will come. */
  get ended(): boolean {
    return this.marks.length > 0 || this.socket.destroyed
  }

  /** Writes the bytes, each part in a turn of its own; resolves when the system has taken them. */
  async write(bytes: Buffer, cuts: readonly number[]): Promise<void> {
    const at = [...cuts.map(cut => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
    let from = 0
    for (const to of at) {
      if (to === from) continue
      const part = bytes.subarray(from, to)
      from = to
      await new Promise<void>(resolve => this.socket.write(part, () => setImmediate(resolve)))
    }
  }

  /** Resolves when it is true; it is looked at after everything that happens here. */
  async until(what: string, isTrue: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const late = setTimeout(() => reject(new Error(`the ${this.#name} waits for ${what}; it has ${this.#state()}`)), patience)
    this.#wake = () => {
      if (isTrue()) resolve()
      else if (this.socket.destroyed) reject(new Error(`the ${this.#name} is closed and still waits for ${what}; it has ${this.#state()}`))
    }
    this.#wake()
    try {
      await promise
    } finally {
      clearTimeout(late)
      this.#wake = undefined
    }
  }

  #mark(what: string): void {
    this.marks.push({ at: this.#length, what })
    this.#wake?.()
  }

  #state(): string {
    return `${this.#length} bytes, ${JSON.stringify(this.marks)}, …${JSON.stringify(this.received.subarray(-200).toString('latin1'))}`
  }
}
