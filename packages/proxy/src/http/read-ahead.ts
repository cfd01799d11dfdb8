import { pour, unwatched } from './pour.ts'
import type { Body } from './sides.ts'

export interface ReadAheadEvents {
  /** The first byte is wanted. */
  onBegin(): void
  onChunk(chunk: Buffer): void
  onEnd(): void
}

/** Reads a body before it is known where it goes, and keeps it for whoever gets it in the end. */
export class ReadAhead {
  readonly #body: Body
  readonly #limit: number
  readonly #events: ReadAheadEvents
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #state: 'unread' | 'reading' | 'ended' | 'broken' = 'unread'
  #arrived = Promise.withResolvers<void>()

  /** `limit`: bytes that are read before it is known where they go. */
  constructor(body: Body, limit: number, events: ReadAheadEvents) {
    this.#body = body
    this.#limit = limit
    this.#events = events
  }

  /** True once the whole body has been read. */
  get whole(): boolean {
    return this.#state === 'ended'
  }

  /** True if nobody has asked for any of it. */
  get unread(): boolean {
    return this.#state === 'unread'
  }

  /** What has been read so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** Resolves once the whole body has been read, or as much of it as may be, or its side has gone. */
  async all(): Promise<void> {
    this.#begin()
    while (this.#state === 'reading' && this.#bytes <= this.#limit) await this.#more()
  }

  /** A stream of its own of what was and will be read, for one who only looks. It breaks off at the limit. */
  copy(): ReadableStream<Uint8Array> {
    let next = 0
    return new ReadableStream<Uint8Array>(
      {
        pull: async controller => {
          this.#begin()
          while (next >= this.#chunks.length && this.#state === 'reading' && this.#bytes <= this.#limit) await this.#more()
          const chunk = this.#chunks[next++]
          if (chunk) controller.enqueue(new Uint8Array(chunk))
          else if (this.#state === 'ended') controller.close()
          else
            controller.error(new Error(this.#state === 'reading' ? `the body is larger than ${this.#limit} bytes` : 'the client has gone'))
        },
      },
      { highWaterMark: 0 },
    )
  }

  /** The body, from its start, for the one whom it is for. Nothing can be read ahead after that. */
  rest(): Body {
    const { stream, trailers } = this.#body
    if (this.#state === 'unread') return this.#body
    const out = unwatched()
    stream.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    for (const chunk of this.#chunks) out.write(chunk)
    if (this.#state === 'ended') out.end()
    else if (this.#state === 'broken') out.destroy(new Error('the client has gone'))
    else {
      stream.on('error', error => out.destroy(error))
      pour(stream, out, {
        onChunk: chunk => this.#events.onChunk(chunk),
        onEnd: () => {
          this.#events.onEnd()
          out.end()
        },
      })
    }
    return { stream: out, trailers }
  }

  #begin(): void {
    if (this.#state !== 'unread') return
    const { stream } = this.#body
    this.#state = stream.destroyed && !stream.readableEnded ? 'broken' : 'reading'
    if (this.#state === 'broken') return
    this.#events.onBegin()
    stream.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose)
  }

  #more(): Promise<void> {
    this.#arrived = Promise.withResolvers()
    this.#body.stream.resume()
    return this.#arrived.promise
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    this.#body.stream.pause()
    this.#events.onChunk(chunk)
    this.#arrived.resolve()
  }

  readonly #onEnd = (): void => {
    this.#state = 'ended'
    this.#events.onEnd()
    this.#arrived.resolve()
  }

  readonly #onClose = (): void => {
    if (this.#state === 'reading') this.#state = 'broken'
    this.#arrived.resolve()
  }
}
