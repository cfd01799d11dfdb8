import type { Codec } from '../../codec.ts'
import type { Connection } from '../../connection.ts'
import { Journal } from '../../journal/journal.ts'
import type { TrafficEvent } from '../../journal/traffic-event.ts'
import type { Message } from '../../message.ts'
import { createMatch } from '../../rule/match.ts'
import type { MatchInput } from '../../rule/match.ts'
import type { ControlAction, ControlFrame, ControlRule, FollowUp, MessageAction, MessageRule, Selection } from '../../rule/rule.ts'
import type { RuleRun } from '../../rule/rule-run.ts'
import { RuleSet } from '../../rule/rule-set.ts'
import type { Verdict } from '../../rule/verdict.ts'
import { Scope } from '../../scope.ts'
import { other } from '../../side.ts'
import type { Side } from '../../side.ts'
import { inflate } from '../../ws/deflate.ts'
import { closePayload, writeFrame } from '../../ws/frame-writer.ts'
import { Session } from '../session.ts'
import type { SessionOptions } from '../session.ts'
import type { Input, Output } from '../session-io.ts'

type WithoutTime<I> = I extends Input ? Omit<I, 'at'> : never

/** Every payload is one message, whose value is its text. */
export const textCodec: Codec<unknown> = {
  name: 'text',
  stateless: true,
  decode: bytes => ({ messages: [{ value: Buffer.from(bytes).toString(), bytes }], rest: Buffer.alloc(0) }),
  encode: value => String(value),
}

/** Messages end with a line feed: one payload can hold several, and one message can span several payloads. */
export const lineCodec: Codec<unknown> = {
  name: 'lines',
  decode(bytes) {
    const messages = []
    let start = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const line = bytes.subarray(start, end + 1)
      messages.push({ value: Buffer.from(line).toString().trimEnd(), bytes: line })
      start = end + 1
    }
    return { messages, rest: bytes.subarray(start) }
  },
  encode: value => `${String(value)}\n`,
}

export interface RuleWords extends Selection {
  readonly from?: Side
  readonly match?: MatchInput<never, Message>
  readonly then?: readonly FollowUp[]
  readonly scope?: Scope
  readonly name?: string
}

export interface ControlRuleWords extends Selection {
  readonly from?: Side
  readonly match?: MatchInput<ControlFrame, ControlFrame>
}

export interface FrameWords {
  readonly opcode?: number
  readonly fin?: boolean
  readonly rsv1?: boolean
}

/** A session in virtual time, with what each side was sent. */
export class VirtualWire {
  readonly scope: Scope = new Scope('test')
  readonly journal: Journal
  readonly rules: RuleSet = new RuleSet()
  readonly session: Session
  readonly outputs: Output[] = []
  now = 0
  readonly #written: Record<Side, Buffer[]> = { client: [], server: [] }
  readonly #marks: Record<Side, { at: number; text: string }[]> = { client: [], server: [] }
  #seed = 1
  #wake: number | undefined

  constructor({ codec = textCodec, journalLimit, ...options }: Partial<SessionOptions> & { journalLimit?: number } = {}) {
    this.journal = new Journal(journalLimit === undefined ? {} : { limit: journalLimit })
    // A session asks nothing of a connection but its scope, its protocol, and whether it is frozen.
    const frozenSince = (): undefined => {}
    const connection = { id: 1, scope: this.scope, protocol: '', frozenSince } as Partial<Connection> as Connection
    const { journal, rules } = this
    const random = (): number => (this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) >>> 0)
    this.session = new Session({ connection, codec, journal, rules, deflate: { deflate: false }, random, ...options })
  }

  /** Gives the session an input now, and notes what it wants done. */
  put(input: WithoutTime<Input>): Output[] {
    const outputs = this.session.handle({ ...input, at: this.now })
    for (const output of outputs) {
      this.outputs.push(output)
      if (output.kind === 'wake') this.#wake = output.at
      if (output.kind === 'write') this.#written[output.to].push(Buffer.from(output.bytes))
      if (output.kind === 'end') {
        // 'both' says nothing new to a side that has ended before.
        const ended = output.to === 'both' ? (['client', 'server'] as const).filter(side => this.#marks[side].length === 0) : [output.to]
        for (const side of ended) this.#marks[side].push({ at: Buffer.concat(this.#written[side]).length, text: output.how })
      }
    }
    return outputs
  }

  /** Lets the time go on to `at`, with the wakes on the way. */
  until(at: number): void {
    while (this.#wake !== undefined && this.#wake <= at) {
      this.now = Math.max(this.now, this.#wake)
      this.#wake = undefined
      this.put({ kind: 'clock' })
    }
    this.now = at
  }

  bytes(from: Side, ...parts: readonly Uint8Array[]): Output[] {
    return this.put({ kind: 'bytes', from, bytes: Buffer.concat(parts) })
  }

  /** One frame of `from`, masked as its side requires. */
  frame(from: Side, payload: string | Uint8Array, { opcode = 1, fin = true, rsv1 = false }: FrameWords = {}): Buffer {
    const key = from === 'client' ? (this.#seed = (this.#seed * 7 + 13) >>> 0) : undefined
    return writeFrame({ opcode, payload: Buffer.from(payload), fin, rsv1, key })
  }

  closeFrame(from: Side, code?: number, reason = ''): Buffer {
    return this.frame(from, closePayload(code, reason), { opcode: 8 })
  }

  /** Text messages of `from`, each in one frame, all in one chunk. */
  send(from: Side, ...texts: readonly string[]): Output[] {
    return this.bytes(from, ...texts.map(text => this.frame(from, text)))
  }

  rule(action: MessageAction, { match, then = [], scope = this.scope, from, ...words }: RuleWords = {}): RuleRun<MessageRule> {
    return this.rules.add<MessageRule>({
      on: 'message',
      scope,
      at: { file: '/tests/wire.test.ts', line: 7, column: 1 },
      start: 'onMessage',
      optional: false,
      from,
      match: createMatch(match) as MessageRule['match'],
      action,
      then,
      ...words,
    })
  }

  /** A rule on the pings, pongs or close frames of a side, or of both. */
  controlRule(
    control: ControlFrame['kind'],
    action: ControlAction,
    { match, from, ...words }: ControlRuleWords = {},
  ): RuleRun<ControlRule> {
    return this.rules.add<ControlRule>({
      on: 'control',
      control,
      scope: this.scope,
      at: { file: '/tests/wire.test.ts', line: 9, column: 1 },
      start: 'onControl',
      optional: false,
      from,
      match: createMatch(match),
      action,
      ...words,
    })
  }

  /** Disposes rules, and tells the session. */
  without(...runs: readonly RuleRun[]): Output[] {
    for (const run of runs) run.dispose()
    return this.put({ kind: 'rules' })
  }

  /** Asks a handler for every message that matches; answer with `decide`. */
  ask(words: RuleWords = {}): RuleRun<MessageRule> {
    return this.rule({ kind: 'handle', fn: () => undefined }, words)
  }

  /** Answers the question about the message with this text. */
  decide(text: string, verdict?: Verdict, error?: unknown): Output[] {
    const question = this.outputs.find(output => output.kind === 'ask' && output.message.text === text)
    if (question?.kind !== 'ask') throw new Error(`nobody asked about ${text}`)
    return this.put({ kind: 'decision', id: question.id, verdict, ...(error === undefined ? {} : { error }) })
  }

  ping(from: Side, payload = ''): Output[] {
    return this.bytes(from, this.frame(from, payload, { opcode: 9 }))
  }

  pong(from: Side, payload: string | Uint8Array = ''): Output[] {
    return this.bytes(from, this.frame(from, payload, { opcode: 10 }))
  }

  releaseFrame(frame: ControlFrame | undefined): Output[] {
    if (!frame) throw new Error('nothing to release')
    return this.put({ kind: 'releaseFrame', frame })
  }

  /** What became of fences: `1`, or `2: why it never will be`. */
  fenced(): string[] {
    return this.outputs.flatMap(output =>
      output.kind === 'fenced' ? [output.problem === undefined ? String(output.id) : `${output.id}: ${output.problem}`] : [],
    )
  }

  release(message: Message | undefined): Output[] {
    if (!message) throw new Error('nothing to release')
    return this.put({ kind: 'release', message })
  }

  /** All bytes that were written to `side`. */
  written(side: Side): Buffer {
    return Buffer.concat(this.#written[side])
  }

  /** What `side` was sent, in words: `text`, `b:binary`, `text…` and `…text` for fragments, `ping:x`, `close:1000:bye`, `fin`, `rst`. */
  seen(side: Side): string[] {
    const bytes = this.written(side)
    const words: string[] = []
    const marks = [...this.#marks[side]]
    let at = 0
    while (at < bytes.length) {
      while (marks[0] && marks[0].at <= at) words.push(marks.shift()!.text)
      const { word, end } = describe(bytes, at, other(side))
      words.push(word)
      at = end
    }
    return [...words, ...marks.map(mark => mark.text)]
  }

  events(): TrafficEvent[] {
    return [...this.journal.read()]
  }

  messages(): Message[] {
    return this.events().flatMap(event => (event.kind === 'message' ? [event.message] : []))
  }

  notes(): string[] {
    return this.events().flatMap(event => (event.kind === 'note' ? [event.text] : []))
  }

  failures(): string[] {
    return this.outputs.flatMap(output =>
      output.kind === 'fail' ? [output.error instanceof Error ? output.error.message : String(output.error)] : [],
    )
  }
}

/** A reader of its own, so that the tests do not trust what they test. */
function describe(bytes: Buffer, at: number, from: Side): { word: string; end: number } {
  if (bytes.length - at < 2) return { word: 'part of a frame', end: bytes.length }
  const first = bytes[at] ?? 0
  const masked = ((bytes[at + 1] ?? 0) & 0x80) !== 0
  if (masked !== (from === 'client')) return { word: `wrong masking at ${at}`, end: bytes.length }
  let length = (bytes[at + 1] ?? 0) & 0x7f
  let payloadAt = at + 2
  if (length === 126 && at + 4 <= bytes.length) {
    length = bytes.readUInt16BE(payloadAt)
    payloadAt += 2
  } else if (length === 127 && at + 10 <= bytes.length) {
    length = Number(bytes.readBigUInt64BE(payloadAt))
    payloadAt += 8
  }
  const key = masked ? bytes.subarray(payloadAt, payloadAt + 4) : Buffer.alloc(4)
  if (masked) payloadAt += 4
  const end = payloadAt + length
  if (end > bytes.length) return { word: 'part of a frame', end: bytes.length }
  let payload: Buffer = Buffer.from(bytes.subarray(payloadAt, end)).map((byte, i) => byte ^ (key[i & 3] ?? 0)) as Buffer
  const fin = (first & 0x80) !== 0
  const opcode = first & 0x0f
  const squeezed = (first & 0x40) !== 0
  if (squeezed && fin) payload = inflate(payload, 1e7)
  const text = Buffer.from(payload).toString()
  switch (opcode) {
    case 8:
      return {
        word: payload.length < 2 ? 'close' : `close:${Buffer.from(payload).readUInt16BE(0)}:${Buffer.from(payload).toString('utf8', 2)}`,
        end,
      }
    case 9:
      return { word: `ping:${text}`, end }
    case 10:
      return { word: `pong:${text}`, end }
    default:
      return { word: `${opcode === 0 ? '…' : ''}${opcode === 2 ? 'b:' : ''}${squeezed ? 'z:' : ''}${text}${fin ? '' : '…'}`, end }
  }
}
