import { buffer } from 'node:stream/consumers'
import type { ExchangeControl, Part } from '../http/declared-streams.ts'
import { withHeader } from '../http/raw-headers.ts'
import type { ResponseHead } from '../http/sides.ts'
import type { OwnResponse } from '../rule/request-rule.ts'

/** Upstream's answer to a poll whose client has been answered by Midwire: it is for the client's next poll. */
export class AheadAnswer {
  /** The exchange that upstream still has. */
  readonly #origin: ExchangeControl
  #taker: ExchangeControl | undefined
  #answer: OwnResponse | 'broken' | undefined

  constructor(origin: ExchangeControl) {
    this.#origin = origin
  }

  /** Upstream has answered. */
  async come(part: Part<ResponseHead> | Promise<Part<ResponseHead>>): Promise<void> {
    const { head, body } = await part
    const content = await buffer(body.stream).catch(() => undefined)
    if (!content) return this.broke()
    const { status, statusText, rawHeaders } = head
    const unsized = withHeader(withHeader(rawHeaders, 'transfer-encoding', undefined), 'content-length', undefined)
    const headers = status === 204 ? unsized : [...unsized, 'Content-Length', String(content.length)]
    this.#settle({ status, statusText, headers, body: content })
  }

  /** Upstream ended without an answer. */
  broke(): void {
    this.#settle('broken')
  }

  /** It is for this poll. */
  give(taker: ExchangeControl): void {
    this.#taker = taker
    if (this.#answer !== undefined) this.#settle(this.#answer)
  }

  /** It is for none: upstream sees its request given up. */
  abandon(): void {
    this.#taker = undefined
    if (this.#answer === undefined) this.#origin.cutServer({ how: 'rst' })
  }

  #settle(answer: OwnResponse | 'broken'): void {
    this.#answer = answer
    if (answer === 'broken') this.#taker?.fail('upstream ended before the response', { how: 'fin' })
    else this.#taker?.answer(answer)
  }
}
