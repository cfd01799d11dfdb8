import { constants, type Http2Stream } from 'node:http2'
import { Writable } from 'node:stream'
import { laterTurn } from '../io/clock.ts'
import { byName, fieldsOnly } from './heads.ts'

/** Sends a head and returns the stream that it opened or answered; `endsStream`: nothing follows it (RFC 9113 §8.1). */
export type SendHead = (endsStream: boolean) => Http2Stream

/** Bytes that may wait for a slow receiver before its sender is paused: a pause for each frame costs three quarters of the speed. */
const writeAhead = 256 * 1024

/**
 * Where the content of a message goes, trailers included. What comes after its stream has closed is thrown away: nobody reads it. Its
 * error says that Node refuses to write the head.
 */
export class OutgoingBody extends Writable {
  readonly #sendHead: SendHead
  #stream: Http2Stream | undefined
  /** No content can follow the head. */
  #isEnded = false
  #trailers: readonly string[] = []
  #unsent = 0
  #goOn: (() => void) | undefined
  readonly #whenSent: (() => void)[] = []

  constructor(sendHead: SendHead) {
    super()
    this.#sendHead = sendHead
  }

  setTrailers(rawTrailers: readonly string[]): void {
    this.#trailers = fieldsOnly(rawTrailers)
  }

  /** Sends the head, if that has not been done. */
  begin(endsStream = false): Http2Stream {
    if (this.#stream) return this.#stream
    const stream = this.#sendHead(endsStream)
    this.#stream = stream
    this.#isEnded = endsStream
    const goOn = (): void => this.#continue()
    stream.on('drain', goOn).on('finish', goOn).on('close', goOn)
    stream.on('wantTrailers', () => {
      try {
        stream.sendTrailers(byName(this.#trailers))
      } catch {
        // Node refuses to write them, so the message cannot be ended.
        stream.close(constants.NGHTTP2_INTERNAL_ERROR)
      }
    })
    return stream
  }

  /** Calls back once all that was written is with the system, or will never be. */
  flush(done: () => void): void {
    this.#whenSent.push(done)
    this.#sent()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (chunk.length === 0) return done()
    const stream = this.begin()
    if (this.#isEnded || stream.closed || stream.destroyed) return done()
    this.#unsent++
    const hasRoom = stream.writableLength < writeAhead
    stream.write(chunk, () => {
      this.#unsent--
      this.#sent()
    })
    if (hasRoom) done()
    else this.#goOn = done
  }

  override _final(done: () => void): void {
    const stream = this.begin(this.#trailers.length === 0)
    if (this.#isEnded || stream.closed || stream.destroyed) return done()
    this.#goOn = done
    stream.end()
  }

  #continue(): void {
    const goOn = this.#goOn
    this.#goOn = undefined
    goOn?.()
    this.#sent()
  }

  #sent(): void {
    if (this.#unsent > 0 && this.#stream && !this.#stream.destroyed) return
    for (const done of this.#whenSent.splice(0)) void atTheEndOfTheTurn(done)
  }
}

/** Node writes the frames of a turn at its end. */
async function atTheEndOfTheTurn(then: () => void): Promise<void> {
  await laterTurn()
  await laterTurn()
  then()
}
