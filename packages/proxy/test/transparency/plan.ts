import fc from 'fast-check'
import type { Side } from '../../src/side.ts'
import { compressed, content, type Frame, frameBytes } from './frames.ts'

/** Something that one side sends in one go. */
export type Item =
  | {
      readonly kind: 'message'
      readonly opcode: 1 | 2
      readonly size: number
      /** How many frames. */
      readonly frames: number
      /** A ping or an unsolicited pong before each frame but the first. */
      readonly between: 'nothing' | 'ping' | 'pong'
      readonly deflate: 'no' | 'yes' | 'broken'
      readonly key: number
    }
  | { readonly kind: 'ping' | 'pong'; readonly size: number; readonly key: number }
  | { readonly kind: 'close'; readonly code: number | undefined; readonly reason: string; readonly key: number }
  | { readonly kind: 'violation'; readonly which: Violation; readonly key: number }

const violations = [
  'reserved opcode',
  'reserved control opcode',
  'RSV1',
  'RSV3',
  'wrong mask',
  'long ping',
  'fragmented ping',
  'stray continuation',
  'message inside a message',
  'length over 2^53',
  'longer length than needed',
  'close of one byte',
] as const
type Violation = (typeof violations)[number]

/** What a side sends, and where its bytes are cut into writes. */
export interface Burst {
  readonly items: readonly Item[]
  readonly cuts: readonly number[]
}

/** Both sides send at once; the step is over when all of it has arrived. */
export type Step = Readonly<Record<Side, Burst>>

export interface Refusal {
  readonly status: number
  readonly reason: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
  readonly framing: 'length' | 'chunked' | 'close'
}

export interface Ending {
  readonly by: Side
  readonly how: 'fin' | 'rst'
  /** A frame that is cut off by a FIN after so many bytes. */
  readonly cutOff: { readonly item: Item; readonly after: number } | undefined
}

export interface Plan {
  readonly target: string
  readonly headers: readonly (readonly [string, string])[]
  readonly protocols: readonly string[]
  readonly offer: string | undefined
  readonly headCuts: readonly number[]
  /** Answers before the one that counts; the client asks again on the same connection, unless the answer ends it. */
  readonly refusals: readonly Refusal[]
  readonly reason: string
  readonly answerHeaders: readonly (readonly [string, string])[]
  readonly deflate: boolean
  /** Sent in the same write as the request, and as the 101. */
  readonly early: Readonly<Record<Side, readonly Item[]>>
  readonly steps: readonly Step[]
  readonly first: Ending
  /** What the other side still sends when the first has sent its FIN. */
  readonly after: readonly Burst[]
  readonly second: 'fin' | 'rst'
}

const size = fc.oneof(
  { weight: 8, arbitrary: fc.nat(300) },
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 124, 125, 126, 127) },
  { weight: 1, arbitrary: fc.constantFrom(65535, 65536, 65537, 200_000) },
)
const key = fc.nat(0x7fffffff)
const message = fc.record({
  kind: fc.constant('message' as const),
  opcode: fc.constantFrom(1 as const, 2 as const),
  size,
  frames: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 2, arbitrary: fc.integer({ min: 1, max: 4 }) }),
  between: fc.constantFrom('nothing' as const, 'ping' as const, 'pong' as const),
  deflate: fc.constantFrom('no' as const, 'yes' as const, 'broken' as const),
  key,
})
const control = fc.record({
  kind: fc.constantFrom('ping' as const, 'pong' as const),
  size: fc.oneof(fc.nat(125), fc.constantFrom(0, 125)),
  key,
})
const close = fc
  .record({
    code: fc.option(fc.oneof(fc.constantFrom(1000, 1001, 1006, 1011, 3000, 4999), fc.nat(65535)), { nil: undefined }),
    reason: fc.constantFrom('', 'bye', 'ü'.repeat(61)),
    key,
  })
  .map(({ code, reason, key }) => ({ kind: 'close' as const, code, reason: code === undefined ? '' : reason, key }))
const violation = fc.record({ kind: fc.constant('violation' as const), which: fc.constantFrom(...violations), key })
const item: fc.Arbitrary<Item> = fc.oneof(
  { weight: 12, arbitrary: message },
  { weight: 4, arbitrary: control },
  { weight: 1, arbitrary: close },
  { weight: 1, arbitrary: violation },
)
const cuts = fc.array(fc.nat(400_000), { maxLength: 3 })
const burst = fc.record({ items: fc.array(item, { maxLength: 3 }), cuts })
const headers = fc.array(
  fc.tuple(
    fc.constantFrom(
      'Origin',
      'cookie',
      'AUTHORIZATION',
      'X-Trace',
      'x-TRACE',
      'User-Agent',
      'Accept-Language',
      'Set-Cookie',
      'Date',
      'Server',
      'Keep-Alive',
      'TE',
    ),
    fc.constantFrom('a', '', 'b, c', 'q="x, y"; z', 'http://[::1]:80/', 'caf\u00e9', 'a'.repeat(300), 'two  spaces\tand a tab'),
  ),
  { maxLength: 5 },
)
const refusal: fc.Arbitrary<Refusal> = fc.record({
  status: fc.constantFrom(200, 204, 302, 304, 400, 401, 403, 404, 426, 429, 500, 503, 599),
  reason: fc.constantFrom('No', '', 'Because I say so'),
  headers,
  body: fc.constantFrom('', 'no', 'x'.repeat(70_000)),
  framing: fc.constantFrom('length' as const, 'chunked' as const, 'close' as const),
})
const offers = [
  'permessage-deflate',
  'permessage-deflate; client_max_window_bits',
  'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
  'x-other; a=1, permessage-deflate; server_max_window_bits=10',
]

export const plan: fc.Arbitrary<Plan> = fc.record({
  target: fc.constantFrom('/', '/socket?v=6&v=7&x=%20', '/a//b/../c?', '/%E2%82%AC?"quoted"', `/${'p'.repeat(2000)}`),
  headers,
  protocols: fc.subarray(['chat', 'v2.chat', 'graphql-transport-ws']),
  offer: fc.option(fc.constantFrom(...offers), { nil: undefined }),
  headCuts: cuts,
  refusals: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(refusal, { minLength: 1, maxLength: 2 }) },
  ),
  reason: fc.constantFrom('Switching Protocols', 'Web Socket Protocol Handshake', ''),
  answerHeaders: headers,
  deflate: fc.boolean(),
  early: fc.record({ client: fc.array(item, { maxLength: 2 }), server: fc.array(item, { maxLength: 2 }) }),
  steps: fc.array(fc.record({ client: burst, server: burst }), { maxLength: 5 }),
  first: fc.record({
    by: fc.constantFrom<Side>('client', 'server'),
    how: fc.constantFrom('fin' as const, 'rst' as const),
    cutOff: fc.option(fc.record({ item, after: fc.nat(400_000) }), { nil: undefined }),
  }),
  after: fc.array(burst, { maxLength: 2 }),
  second: fc.constantFrom('fin' as const, 'rst' as const),
})

/** True if both peers of this plan agree on permessage-deflate. */
export function agreesOnDeflate(plan: Plan): boolean {
  return plan.deflate && plan.offer !== undefined
}

/** The bytes of what `from` sends. */
export function bytesOf(items: readonly Item[], from: Side, deflate: boolean): Buffer {
  return Buffer.concat(
    items.flatMap(item => framesOf(item, from, deflate)).map(frame => frameBytes({ masked: from === 'client', ...frame })),
  )
}

type Unmasked = Omit<Frame, 'masked'> & { readonly masked?: boolean }

function framesOf(item: Item, from: Side, deflate: boolean): Unmasked[] {
  const { key } = item
  switch (item.kind) {
    case 'ping':
    case 'pong':
      return [{ opcode: item.kind === 'ping' ? 9 : 10, payload: content(item.size, key), key }]
    case 'close': {
      const code = Buffer.alloc(item.code === undefined ? 0 : 2)
      if (item.code !== undefined) code.writeUInt16BE(item.code)
      return [{ opcode: 8, payload: Buffer.concat([code, Buffer.from(item.reason)]), key }]
    }
    case 'message':
      return messageFrames(item, deflate)
    case 'violation':
      return violationFrames(item.which, key, from)
  }
}

function messageFrames(
  { opcode, size, frames: count, between, deflate, key }: Extract<Item, { kind: 'message' }>,
  agreed: boolean,
): Unmasked[] {
  const plain = content(size, key)
  const squeezed = agreed && deflate !== 'no'
  const payload = !squeezed ? plain : deflate === 'yes' ? compressed(plain) : plain
  const frames: Unmasked[] = []
  for (let n = 0; n < count; n++) {
    if (n > 0 && between !== 'nothing') frames.push({ opcode: between === 'ping' ? 9 : 10, payload: content(n, key), key: key + n })
    const part = payload.subarray(Math.floor((payload.length * n) / count), Math.floor((payload.length * (n + 1)) / count))
    frames.push({ opcode: n === 0 ? opcode : 0, fin: n === count - 1, rsv: squeezed && n === 0 ? 4 : 0, payload: part, key: key ^ n })
  }
  return frames
}

function violationFrames(which: Violation, key: number, from: Side): Unmasked[] {
  const payload = content(key % 40, key)
  switch (which) {
    case 'reserved opcode':
      return [{ opcode: 5, payload, key }]
    case 'reserved control opcode':
      return [{ opcode: 11, payload, key }]
    case 'RSV1':
      return [{ opcode: 9, rsv: 4, payload, key }]
    case 'RSV3':
      return [{ opcode: 1, rsv: 1, payload, key }]
    case 'wrong mask':
      return [{ opcode: 1, payload, key, masked: from === 'server' }]
    case 'long ping':
      return [{ opcode: 9, payload: content(126, key), key }]
    case 'fragmented ping':
      return [{ opcode: 9, fin: false, payload, key }]
    case 'stray continuation':
      return [{ opcode: 0, payload, key }]
    case 'message inside a message':
      return [
        { opcode: 1, fin: false, payload, key },
        { opcode: 2, payload, key },
      ]
    case 'length over 2^53':
      return [{ opcode: 2, payload, key, declared: 2n ** 60n + BigInt(key) }]
    case 'longer length than needed':
      return [{ opcode: 2, payload, key, lengthBytes: key % 2 === 0 ? 2 : 8 }]
    case 'close of one byte':
      return [{ opcode: 8, payload: content(1, key), key }]
  }
}
