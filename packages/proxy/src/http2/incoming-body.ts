import { constants, type Http2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import type { Body } from '../http/sides.ts'

/** The content of a message that comes in, read from its stream as it is read here; what nobody reads, its sender keeps. */
export class IncomingBody extends Readable implements Body {
  readonly stream: Readable = this
  readonly #source: Http2Stream
  #trailers: readonly string[] = []
  #isFlowing = false

  constructor(source: Http2Stream) {
    super()
    this.#source = source
    source.on('trailers', (_headers, _flags, rawHeaders?: string[]) => (this.#trailers = rawHeaders ?? []))
    // A reset ends the reading, too: that is no end of the body.
    source.on('end', () => source.rstCode === constants.NGHTTP2_NO_ERROR && this.push(null))
    source.on('close', () => {
      // What ended its stream's way is complete; the rest is told as a cut.
      if (!source.readableEnded) this.destroy()
    })
  }

  readonly trailers = (): readonly string[] => this.#trailers

  override _read(): void {
    if (this.#isFlowing) return void this.#source.resume()
    this.#isFlowing = true
    this.#source.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) this.#source.pause()
    })
  }
}
