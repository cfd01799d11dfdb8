import type { Transform } from 'node:stream'
import type { Body } from '../http/sides.ts'
import { fieldOf, withHeader } from '../http/raw-headers.ts'
import type { Side } from '../side.ts'
import { compose } from './compose.ts'
import { contentCoding } from './content-coding.ts'
import type { ContentCoding } from './content-coding.ts'
import type { Envelope, Framing, FramingReader } from './framing.ts'
import type { Letter } from './letter.ts'
import type { MessageStream } from './message-stream.ts'
import { Outflow } from './outflow.ts'
import { one } from './packing.ts'
import type { Packing } from './packing.ts'

/**
 * 'relay': the body goes on as it comes, and its messages are only seen · 'follow': envelope by envelope, as rules will have it · 'wait':
 * head and body go on when all of the body was decided.
 */
type Mode = 'relay' | 'follow' | 'wait'

export interface PassageOptions {
  readonly stream: MessageStream
  readonly from: Side
  readonly body: Body
  readonly rawHeaders: readonly string[]
  readonly framing: Framing
  readonly packing: Packing
  /** HTTP/1.1 needs chunks for a body of unknown length (RFC 9112 §7.1). */
  readonly chunked: boolean
  /** The messages of an envelope have arrived. */
  readonly onMessages: (parts: readonly Uint8Array[], binary: boolean) => void
  /** All of the body has been decided and written. */
  readonly onDone: () => void
  readonly onFailure: (error: Error) => void
}

/** What a body goes on as; `content` false: it was emptied, and is to be none. */
export interface Passed {
  readonly rawHeaders: readonly string[]
  readonly body: Body
  readonly content: boolean
}

/** Bytes that an envelope may have; a larger one goes on unread, with all behind it. */
const envelopeLimit = 100 * 1024 * 1024

/** One body on its way through a message stream. */
export class Passage {
  readonly result: Promise<Passed> | Passed
  readonly #options: PassageOptions
  readonly #mode: Mode
  readonly #binary: boolean
  readonly #reader: FramingReader
  readonly #sink: Outflow
  readonly #decoder: Transform | undefined
  readonly #encoder: (Transform & { flush(): void }) | undefined
  readonly #coding: ContentCoding | undefined
  readonly #passed: PromiseWithResolvers<Passed> = Promise.withResolvers()
  /** Bytes of the envelope in progress that have come, and that have gone on. */
  #pending = 0
  #forwarded = 0
  /** Of our own, until the envelope in progress ends. */
  #late: Uint8Array[] = []
  /** What a body that waits is going to be. */
  #parts: Uint8Array[] = []
  /** As it came, where it is coded. */
  #raw: Buffer[] = []
  #changed = false
  /** Of the chunk that is being taken. */
  #gathered: Uint8Array[] | undefined
  #unread = false
  #ended = false

  constructor(options: PassageOptions) {
    this.#options = options
    const { rawHeaders, framing, stream, from, body } = options
    this.#sink = new Outflow(() => {
      this.pace()
      stream.drained(from)
    })
    const coding = contentCoding(fieldOf(rawHeaders, 'content-encoding'))
    const length = fieldOf(rawHeaders, 'content-length')
    const judge = stream.mustJudge(from)
    // Where its end is known, a body can only be changed from its start; and a coding that is relayed cannot be left in the middle.
    this.#mode =
      coding === undefined ? 'relay' : framing.whole ? (judge ? 'wait' : 'relay') : length === undefined || judge ? 'follow' : 'relay'
    this.#unread = coding === undefined
    if (this.#unread) stream.note(`a body from the ${from} is not read: content-encoding ${fieldOf(rawHeaders, 'content-encoding')}`)
    this.#binary = isBinary(fieldOf(rawHeaders, 'content-type'))
    this.#reader = framing.reader()
    if (coding !== undefined && coding !== 'identity') {
      this.#coding = coding
      this.#decoder = coding.decoder()
      this.#decoder.on('data', (chunk: Buffer) => this.#take(chunk))
      this.#decoder.on('end', () => this.#endOfContent())
      this.#decoder.on('error', error => this.#undecodable(error))
      if (this.#mode === 'follow') {
        this.#encoder = coding.encoder()
        this.#encoder.on('data', (chunk: Buffer) => this.#write(chunk))
        this.#encoder.on('end', () => this.#sink.end())
      }
    }
    this.result =
      this.#mode === 'wait'
        ? this.#passed.promise
        : { rawHeaders: this.#mode === 'relay' ? rawHeaders : this.#unsized(rawHeaders), body: this.#body(), content: true }
    body.stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    body.stream.on('end', () => this.#received())
    body.stream.on('error', error => this.#sink.destroy(error))
    stream.open(from, this)
    this.pace()
  }

  /** Bytes that its receiver has not taken. */
  get backlog(): number {
    return this.#sink.backlog
  }

  /** Reads on, or not: as its receiver and what waits behind a hold allow. */
  pace(): void {
    const { stream, from, body } = this.#options
    if (this.#sink.backlog > 0 || stream.isPaused(from)) body.stream.pause()
    else body.stream.resume()
  }

  /** Takes a message of our own; false if it cannot go into this body. */
  send(payload: Uint8Array, original: Envelope | undefined): boolean {
    const { framing, packing } = this.#options
    if (this.#mode !== 'follow' || this.#ended) return false
    const joined = packing.join([payload])
    if (joined) this.#own(framing.write(joined, original))
    return true
  }

  /** Ends the body here, as if it were complete. */
  finish(): void {
    if (this.#ended) return
    if (this.#mode === 'wait') this.#settle()
    this.#close()
  }

  get canFinish(): boolean {
    return this.#mode !== 'relay' || fieldOf(this.#options.rawHeaders, 'content-length') === undefined
  }

  #body(): Body {
    return { stream: this.#sink, trailers: this.#options.body.trailers }
  }

  /** A chunk as it came. */
  #receive(chunk: Buffer): void {
    if (this.#ended) return
    if (this.#mode === 'relay') {
      this.#write(chunk)
      if (this.#unread) return
    }
    if (this.#decoder) {
      if (this.#mode === 'wait') this.#raw.push(chunk)
      if (!this.#decoder.write(chunk)) this.#options.body.stream.pause()
      this.#decoder.once('drain', () => this.pace())
    } else this.#take(chunk)
  }

  #received(): void {
    if (this.#mode === 'relay') this.#sink.end()
    if (this.#decoder && !this.#unread) this.#decoder.end()
    else this.#endOfContent()
  }

  /** A chunk of the content, decoded. */
  #take(chunk: Buffer): void {
    if (this.#ended && this.#mode !== 'relay') return
    if (this.#unread) return this.#mode === 'relay' ? undefined : this.#output(chunk)
    this.#pending += chunk.length
    // What comes in one chunk goes on in one, as far as it goes on now.
    this.#gathered = []
    try {
      this.#envelopes(chunk)
    } finally {
      this.flush()
    }
  }

  /** Writes what has been gathered. */
  flush(): void {
    const gathered = this.#gathered
    this.#gathered = undefined
    if (gathered && gathered.length > 0) this.#write(gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered))
  }

  #envelopes(chunk: Buffer): void {
    for (const envelope of this.#reader.push(chunk)) this.#envelope(envelope)
    const { stream, from } = this.#options
    if (this.#pending > envelopeLimit) return this.#giveUp(this.#reader.rest)
    const fresh = this.#pending - this.#forwarded
    if (this.#mode === 'follow' && fresh > 0 && (this.#forwarded > 0 || !stream.mustJudge(from))) {
      this.#output(fresh <= chunk.length ? chunk.subarray(chunk.length - fresh) : this.#reader.rest.subarray(this.#forwarded))
      this.#forwarded = this.#pending
    }
  }

  #envelope(envelope: Envelope): void {
    const { stream, from, packing } = this.#options
    this.#pending -= envelope.bytes.length
    const parts = envelope.payload === undefined ? [] : (packing.split(envelope.payload) ?? [])
    if (parts.length > 0) this.#options.onMessages(parts, this.#binary)
    const letter = { envelope, parts, written: [], tear: () => this.#tear(envelope) }
    if (this.#mode === 'relay') return stream.carry(from, { ...letter, state: 'relayed', done: () => {} }, this.#binary)
    if (this.#mode === 'follow' && (this.#forwarded > 0 || !stream.mustJudge(from))) {
      this.#output(envelope.bytes.subarray(this.#forwarded))
      this.#forwarded = 0
      stream.carry(from, { ...letter, state: 'relayed', done: () => {} }, this.#binary)
      for (const bytes of this.#late.splice(0)) this.#output(bytes)
      return
    }
    stream.carry(from, { ...letter, state: 'queued', done: done => this.#decided(done) }, this.#binary)
  }

  /** All messages of an envelope have been decided. */
  #decided({ envelope, parts, written }: Letter): void {
    if (this.#ended) return
    const { stream, from, framing, packing } = this.#options
    if (this.#mode === 'wait') {
      const own = stream.takeWaiting(from, packing === one ? 1 - Math.min(1, written.length) : Infinity)
      const bytes = compose(framing, packing, envelope, parts, [...own, ...written])
      this.#changed ||= bytes !== envelope?.bytes
      this.#parts.push(bytes)
    } else this.#own(compose(framing, packing, envelope, parts, written))
  }

  /** The whole content has come. */
  #endOfContent(): void {
    const { stream, from } = this.#options
    if (!this.#unread) for (const envelope of this.#reader.end()) this.#envelope(envelope)
    const done = (): void => {
      if (this.#mode === 'wait') this.#settle()
      this.#close()
    }
    if (this.#mode === 'relay') return this.#close()
    // Behind all that is still undecided.
    stream.carry(from, { envelope: undefined, parts: [], written: [], state: 'queued', done, tear: () => {} }, false)
  }

  #own(bytes: Uint8Array): void {
    if (this.#forwarded > 0) this.#late.push(bytes)
    else this.#output(bytes)
  }

  /** Writes content, coded as the body was. */
  #output(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#ended) return
    if (!this.#encoder) return this.#write(bytes)
    this.#encoder.write(bytes)
    // What has been decided must not wait in a compressor for what comes next.
    this.#encoder.flush()
  }

  #write(bytes: Uint8Array): void {
    if (this.#gathered) return void this.#gathered.push(bytes)
    this.#sink.write(bytes)
    if (this.#sink.backlog > 0) this.pace()
  }

  /** Half of an envelope leaves, and then its connection ends. */
  #tear(envelope: Envelope): void {
    if (this.#mode === 'follow') this.#output(envelope.bytes.subarray(0, Math.floor(envelope.bytes.length / 2)))
  }

  /** What a body that has waited goes on as. */
  #settle(): void {
    const { stream, from, framing, packing, rawHeaders } = this.#options
    if (this.#parts.length === 0 && stream.hasWaiting(from)) {
      this.#parts.push(compose(framing, packing, undefined, [], stream.takeWaiting(from, packing === one ? 1 : Infinity)))
      this.#changed = true
    }
    const content = Buffer.concat(this.#parts)
    const body = this.#body()
    if (!this.#changed) {
      this.#sink.write(this.#coding ? Buffer.concat(this.#raw) : content)
      this.#sink.end()
      return this.#passed.resolve({ rawHeaders, body, content: true })
    }
    const encoder = content.length > 0 ? this.#coding?.encoder() : undefined
    if (!encoder) return this.#resize(content)
    const chunks: Buffer[] = []
    encoder.on('data', (chunk: Buffer) => chunks.push(chunk))
    encoder.on('end', () => this.#resize(Buffer.concat(chunks)))
    encoder.end(content)
  }

  #resize(bytes: Buffer): void {
    const { rawHeaders, chunked } = this.#options
    const isSized = fieldOf(rawHeaders, 'content-length') !== undefined || (bytes.length > 0 && !chunked)
    this.#sink.write(bytes)
    this.#sink.end()
    this.#passed.resolve({
      rawHeaders: isSized ? withHeader(rawHeaders, 'content-length', String(bytes.length)) : rawHeaders,
      body: this.#body(),
      content: bytes.length > 0,
    })
  }

  /** A head whose body will end when it ends. */
  #unsized(rawHeaders: readonly string[]): readonly string[] {
    if (fieldOf(rawHeaders, 'content-length') === undefined) return rawHeaders
    const headers = withHeader(rawHeaders, 'content-length', undefined)
    return this.#options.chunked ? [...headers, 'Transfer-Encoding', 'chunked'] : headers
  }

  /** It goes on unread from here. */
  #giveUp(rest: Buffer): void {
    const { stream, from } = this.#options
    this.#unread = true
    stream.note(`an envelope from the ${from} is over the limit of ${envelopeLimit} bytes: the rest of its body goes on unread`)
    if (this.#mode === 'follow') this.#output(rest.subarray(this.#forwarded))
    else if (this.#mode === 'wait') this.#parts.push(rest)
  }

  #undecodable(error: Error): void {
    const { stream, from, onFailure } = this.#options
    this.#unread = true
    stream.note(`a body from the ${from} does not decode: ${error.message}`)
    if (this.#mode === 'relay') this.#close()
    else onFailure(error)
  }

  #close(): void {
    if (this.#ended) return
    this.flush()
    const { stream, from, onDone } = this.#options
    if (this.#mode === 'follow') for (const bytes of this.#late.splice(0)) this.#output(bytes)
    this.#ended = true
    stream.close(from, this)
    if (this.#encoder) this.#encoder.end()
    else if (this.#mode !== 'wait') this.#sink.end()
    onDone()
  }
}

function isBinary(contentType: string | undefined): boolean {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type === '' || type.startsWith('text/')) return false
  return !/^application\/(.*\+)?(json|xml|x-ndjson|ndjson|jsonl|x-jsonlines|javascript|x-www-form-urlencoded)$/.test(type)
}
