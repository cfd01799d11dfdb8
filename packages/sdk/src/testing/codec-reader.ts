import type { Codec, CodecStateDirection, DecodedMessage, UndecodedMessage } from '@midwire/proxy'
import * as fc from 'fast-check'
import { expect } from 'vitest'

type Read<T> = DecodedMessage<T> | UndecodedMessage

/** One direction of a connection, read by a codec as the engine does it. */
export class CodecReader<T, S> {
  readonly messages: Read<T>[] = []
  rest: Uint8Array = new Uint8Array(0)
  readonly state: S
  readonly #codec: Codec<T, S>
  readonly #direction: CodecStateDirection<S>

  constructor(codec: Codec<T, S>, direction: Partial<CodecStateDirection<S>> = {}) {
    this.#codec = codec
    this.#direction = { from: 'client', protocol: '', url: 'wss://host.example.com/', ...direction }
    this.state = codec.state?.(this.#direction) as S
  }

  get values(): (T | undefined)[] {
    return this.messages.map(({ value }) => value)
  }

  /** Reads the payload of one WebSocket message; the contract of `Codec` must hold. */
  push(payload: Uint8Array | string): this {
    const input = Buffer.concat([this.rest, bytesOf(payload)])
    const { from, protocol } = this.#direction
    const { messages, rest } = this.#codec.decode(input, { from, protocol, binary: typeof payload !== 'string', state: this.state })
    expect(Buffer.concat([...messages.map(({ bytes }) => bytes), rest])).toEqual(input)
    if (this.#codec.stateless) expect(rest).toHaveLength(0)
    this.messages.push(...messages)
    this.rest = rest
    return this
  }

  /** What a value leaves as, WebSocket message by WebSocket message. */
  encode(value: T, binary = true): (string | Uint8Array)[] {
    const { from, protocol } = this.#direction
    return [this.#codec.encode(value, { from, protocol, binary, state: this.state })].flat()
  }
}

export interface StreamLaws<T, S> {
  readonly codec: () => Codec<T, S>
  /** Messages as the protocol's own library writes them, and the values that they must have. */
  readonly messages: fc.Arbitrary<readonly { readonly bytes: Uint8Array; readonly value: T }[]>
  readonly direction?: Partial<CodecStateDirection<S>>
}

/** However a stream is cut into payloads: the same messages are found, and what is encoded again is read as the same values. */
export function expectStreamLaws<T, S>({ codec, messages, direction }: StreamLaws<T, S>): void {
  fc.assert(
    fc.property(messages, fc.array(fc.nat(), { maxLength: 12 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(({ bytes }) => bytes))
      const reader = new CodecReader(codec(), direction)
      for (const chunk of cut(stream, cuts)) reader.push(chunk)
      expect(reader.rest).toHaveLength(0)
      expect(reader.values).toEqual(sent.map(({ value }) => value))
      expect(reader.messages.map(({ bytes }) => Buffer.from(bytes))).toEqual(sent.map(({ bytes }) => Buffer.from(bytes)))

      const again = new CodecReader(codec(), direction)
      for (const value of reader.values) for (const payload of again.encode(value as T)) again.push(payload)
      expect(again.values).toEqual(reader.values)
    }),
  )
}

/** Chunks of any size, also empty ones. */
function cut(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map(place => place % (stream.length + 1)).toSorted((a, b) => a - b), stream.length]
  return places.slice(1).map((end, n) => stream.subarray(places[n], end))
}

export function bytesOf(payload: Uint8Array | string): Uint8Array {
  return typeof payload === 'string' ? Buffer.from(payload) : payload
}
