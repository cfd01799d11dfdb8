import { messageOf } from '../errors.ts'
import type { KeptContent } from '../journal/traffic-event.ts'
import { decodeContent } from './content-coding.ts'

const nothing = new Uint8Array(0)

/** An allowance for the objects of one chunk, so that the journal's limit bounds memory and not only payloads. */
const chunkWeight = 100

/** What the journal keeps of one body: its chunks as they came, until they are too many or have to go. */
export class KeptBody implements KeptContent {
  /** Bytes that passed, kept or not. */
  bytes = 0
  complete = false
  readonly contentEncoding: string | undefined
  readonly limit: number
  chunks: Uint8Array[] | undefined = []
  lack: string | undefined
  /** Bytes that count towards the journal's limit. */
  weight = 0
  decoded: Uint8Array | undefined

  /** `limit`: a body of more bytes is not kept at all. */
  constructor(contentEncoding: string | undefined, limit: number) {
    this.contentEncoding = contentEncoding
    this.limit = limit
  }

  /** Returns by how much its weight has changed. */
  add(chunk: Uint8Array): number {
    this.bytes += chunk.length
    if (!this.chunks) return 0
    if (this.weight + chunk.length + chunkWeight > this.limit) return this.drop(`it is larger than an eighth of journalLimit`)
    this.chunks.push(chunk)
    this.decoded = undefined
    this.weight += chunk.length + chunkWeight
    return chunk.length + chunkWeight
  }

  /** Lets what is kept go. Returns by how much its weight has changed. */
  drop(lack: string): number {
    if (!this.chunks || this.bytes === 0) return 0
    const { weight } = this
    this.chunks = undefined
    this.decoded = undefined
    this.lack = `its body is not kept: ${lack}`
    this.weight = 0
    return -weight
  }

  /** As it came, content coding and all. */
  get raw(): Uint8Array | undefined {
    if (!this.chunks) return undefined
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)]
    return this.chunks[0] ?? nothing
  }

  get body(): Uint8Array | undefined {
    if (this.decoded || !this.raw) return this.decoded
    try {
      return (this.decoded = decodeContent(this.raw, this.contentEncoding))
    } catch (error) {
      if (this.complete) this.lack = messageOf(error)
      return undefined
    }
  }

  get text(): string | undefined {
    const { body } = this
    return body && Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
  }

  get json(): unknown {
    return parsed(this.text)
  }
}

/** The JSON value of a text, or `undefined` where it is none. */
export function parsed(text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
