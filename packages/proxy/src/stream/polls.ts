import { withHeader } from '../http/raw-headers.ts'
import type { AheadAnswer } from './ahead-answer.ts'

/** Characters of what a server has said in which its connection's key is looked for. */
const mostTold = 64 * 1024

/** Fields that say something of one body, or one connection. */
const ofOneBody = ['content-length', 'transfer-encoding', 'content-encoding', 'etag', 'date', 'connection', 'keep-alive']

/** What the exchanges of a connection that polls must know of those before them. */
export class Polls {
  #lastHead: readonly string[] = ['Content-Type', 'text/plain; charset=utf-8']
  readonly #ahead: AheadAnswer[] = []
  #told = ''

  /** Notes what the server has told the client, to know a key again that was among it. */
  tell(parts: readonly Uint8Array[]): void {
    if (this.#told.length > mostTold) return
    for (const part of parts) this.#told += Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('utf8')
  }

  hasTold(key: string): boolean {
    return key !== '' && this.#told.includes(key)
  }

  /** Keeps the headers of a response, for one of our own. */
  rememberHead(rawHeaders: readonly string[]): void {
    this.#lastHead = rawHeaders
  }

  /** Headers for a body of our own: like those of the response before it. */
  likeBefore(length: number): readonly string[] {
    let headers = this.#lastHead
    for (const name of ofOneBody) headers = withHeader(headers, name, undefined)
    return [...headers, 'Content-Length', String(length)]
  }

  /** One was answered ahead of upstream. */
  answeredAhead(answer: AheadAnswer): void {
    this.#ahead.push(answer)
  }

  /** What a new one of the client is answered with, if upstream has been asked already. */
  takeAhead(): AheadAnswer | undefined {
    return this.#ahead.shift()
  }

  /** There will be no more. */
  abandon(): void {
    for (const answer of this.#ahead.splice(0)) answer.abandon()
  }
}
