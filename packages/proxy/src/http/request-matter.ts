import { MidwireError } from '../errors.ts'
import type { Matter } from '../rule/request-hearing.ts'
import type { RequestFacts } from '../rule/request-rule.ts'
import { decodeContent } from './content-coding.ts'
import { parsed } from './kept-body.ts'
import { fieldOf, type Fields, fieldsOf } from './raw-headers.ts'
import type { RequestHead } from './sides.ts'
import type { Target } from './target.ts'

/** One request, as rules see it. */
export class RequestMatter implements Matter {
  readonly facts: RequestFacts
  #text: string | undefined
  #missed = false

  constructor(head: RequestHead, target: Target) {
    const { method, rawHeaders } = head
    const { host, port, url, path } = target
    const content = (): string => this.#content()
    let fields: Fields | undefined
    let value: { readonly of: unknown } | undefined
    this.facts = {
      method,
      host,
      port,
      url,
      path,
      get query() {
        return target.query
      },
      get headers() {
        return (fields ??= fieldsOf(rawHeaders))
      },
      get body() {
        const text = content()
        value ??= { of: parsed(text) ?? text }
        return value.of
      },
      get text() {
        return content()
      },
    }
  }

  get hasBody(): boolean {
    return this.#text !== undefined
  }

  missedBody(): boolean {
    const missed = this.#missed
    this.#missed = false
    return missed
  }

  /** Its body has come, content coding and all. */
  fill(head: RequestHead, body: Uint8Array): void {
    let plain = body
    try {
      plain = decodeContent(body, fieldOf(head.rawHeaders, 'content-encoding'))
    } catch {
      // What cannot be decoded is looked at as it came.
    }
    this.#text = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength).toString('utf8')
  }

  #content(): string {
    if (this.#text !== undefined) return this.#text
    this.#missed = true
    throw new MidwireError('MIDWIRE_BAD_USE', 'the body of the request has not come yet: only a rule with needsBody waits for it')
  }
}
