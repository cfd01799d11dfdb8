import { MidwireError } from '../errors.ts'
import type { EditableRequest } from '../rule/request-rule.ts'
import { decodeContent, encodeContent } from './content-coding.ts'
import { groupedHeaders, mergedHeaders } from './edited-head.ts'
import { fieldOf, hasMember, withHeader } from './raw-headers.ts'

/** Headers and body of a message that a function of the test may change; what it leaves alone is told from what it changed. */
export class EditedContent implements Pick<EditableRequest, 'headers' | 'body' | 'text' | 'json'> {
  headers: EditableRequest['headers']
  readonly #rawHeaders: readonly string[]
  readonly #raw: Uint8Array | undefined
  readonly #limit: number
  #plain: Uint8Array | undefined
  #body: Uint8Array | undefined
  #json: { readonly value: unknown; readonly text: string | undefined } | undefined

  /** `raw`: the body as it came; `undefined` where it is more than `limit` bytes, and can only be left alone. */
  constructor(rawHeaders: readonly string[], raw: Uint8Array | undefined, limit: number) {
    this.headers = groupedHeaders(rawHeaders)
    this.#rawHeaders = rawHeaders
    this.#raw = raw
    this.#limit = limit
  }

  get body(): Uint8Array {
    this.#takeJson()
    // A copy: it may be changed in place.
    return (this.#body ??= new Uint8Array(this.#original))
  }

  set body(body: Uint8Array) {
    if (!(body instanceof Uint8Array))
      throw new MidwireError('MIDWIRE_BAD_INPUT', `body: ${String(body)} — expected bytes; text takes a string`)
    void this.#original
    this.#json = undefined
    this.#body = body
  }

  get text(): string {
    const { buffer, byteOffset, byteLength } = this.body
    return Buffer.from(buffer, byteOffset, byteLength).toString('utf8')
  }

  set text(text: string) {
    if (typeof text !== 'string') throw new MidwireError('MIDWIRE_BAD_INPUT', `text: ${String(text)} — expected a string`)
    this.body = Buffer.from(text)
  }

  get json(): unknown {
    if (!this.#json) {
      const value: unknown = JSON.parse(this.text)
      this.#json = { value, text: JSON.stringify(value) }
    }
    return this.#json.value
  }

  set json(value: unknown) {
    const text = JSON.stringify(value) as string | undefined
    if (text === undefined) throw new MidwireError('MIDWIRE_BAD_INPUT', `json: ${String(value)} — expected a value that JSON has`)
    this.text = text
    this.#json = { value, text }
  }

  /** The headers, and the body if it was changed: coded as it was, with its length corrected. `mayGainLength`: where it had no framing. */
  result(mayGainLength: boolean): { readonly rawHeaders: readonly string[]; readonly body: Uint8Array | undefined } {
    this.#takeJson()
    const rawHeaders = mergedHeaders(this.#rawHeaders, groupedHeaders(this.#rawHeaders), this.headers)
    const changed = this.#body
    if (!changed || Buffer.compare(changed, this.#original) === 0) return { rawHeaders, body: undefined }
    const body = encodeContent(changed, fieldOf(rawHeaders, 'content-encoding'))
    if (hasMember(rawHeaders, 'transfer-encoding', 'chunked')) return { rawHeaders, body }
    const length = String(body.length)
    const stated = fieldOf(rawHeaders, 'content-length')
    // One that the function set is meant, even if it lies.
    if (stated !== undefined && stated !== fieldOf(this.#rawHeaders, 'content-length')) return { rawHeaders, body }
    if (stated !== undefined) return { rawHeaders: withHeader(rawHeaders, 'content-length', length), body }
    return { rawHeaders: mayGainLength ? [...rawHeaders, 'Content-Length', length] : rawHeaders, body }
  }

  get #original(): Uint8Array {
    if (!this.#raw)
      throw new MidwireError(
        'MIDWIRE_BAD_USE',
        `the body is larger than ${this.#limit} bytes: it passes as it is, and can be neither read nor changed`,
      )
    return (this.#plain ??= decodeContent(this.#raw, fieldOf(this.#rawHeaders, 'content-encoding')))
  }

  /** What was changed inside of `json` is a change of the body. */
  #takeJson(): void {
    const { value, text } = this.#json ?? {}
    if (!this.#json) return
    const now = JSON.stringify(value)
    if (now === text) return
    this.#json = { value, text: now }
    this.#body = Buffer.from(now)
  }
}
