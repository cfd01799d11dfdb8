import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Codec } from '../codec.ts'
import type { EngineContext } from '../engine-context.ts'
import { startClock } from '../io/clock.ts'
import { WireConnection } from '../io/wire-connection.ts'
import { Journal } from '../journal/journal.ts'
import type { TrafficEvent } from '../journal/traffic-event.ts'
import type { Message } from '../message.ts'
import { createMatch } from '../rule/match.ts'
import type { MessageAction } from '../rule/rule.ts'
import { RuleSet } from '../rule/rule-set.ts'
import { Scope } from '../scope.ts'
import { Session } from '../session/session.ts'
import type { Side } from '../side.ts'
import { framingOf } from './framing.ts'
import type { FramingName } from './framing.ts'
import { MessageStream } from './message-stream.ts'
import { jsonArray, one } from './packing.ts'
import type { Packing } from './packing.ts'
import { Passage } from './passage.ts'

const scope = new Scope('test')
const textCodec: Codec<unknown> = {
  name: 'text',
  stateless: true,
  decode: bytes => ({ messages: [{ value: Buffer.from(bytes).toString(), bytes }], rest: new Uint8Array(0) }),
  encode: value => String(value),
}

/** A message stream without sockets. */
class Bench {
  readonly rules: RuleSet = new RuleSet()
  readonly journal: Journal = new Journal()
  readonly stream: MessageStream

  constructor() {
    const { rules, journal } = this
    const target = { host: 'a.example.com', port: 80, secure: false, url: 'http://a.example.com/', path: '/', query: {} }
    const connection = new WireConnection({
      id: 1,
      attempt: 1,
      scope,
      target,
      request: { headers: {}, rawHeaders: [] },
      at: 0,
      transport: 'http',
    })
    const engine: Partial<EngineContext> = {
      clock: startClock(),
      decisionTimeout: () => 1000,
      runRules: (_, turn) => turn(),
      note: () => {},
      fail: ({ error }) => {
        throw error
      },
      startSession: (of, protocol, deflate, own) =>
        new Session({ connection: of, protocol, deflate, rules, journal, codec: textCodec, random: () => 0, ...own }),
    }
    this.stream = new MessageStream(engine as EngineContext, connection, textCodec, false)
    this.rules.onChange(() => connection.rulesChanged())
  }

  rule(action: MessageAction, match: (value: unknown) => boolean): void {
    this.rules.add({
      on: 'message',
      scope,
      at: { file: '/tests/passage.test.ts', line: 7, column: 1 },
      start: 'onMessage',
      optional: false,
      from: undefined,
      match: createMatch<unknown, Message>(match),
      action,
      then: [],
    })
  }

  /** What a body comes out as, read in these chunks; `between` is called before each. */
  async pass(
    chunks: readonly Buffer[],
    framing: FramingName,
    packing: Packing,
    { from = 'server', between }: { readonly from?: Side; readonly between?: (chunk: number) => void } = {},
  ): Promise<Buffer> {
    const source = new PassThrough()
    const passage = new Passage({
      stream: this.stream,
      from,
      body: { stream: source, trailers: () => [] },
      rawHeaders: ['Content-Type', 'text/plain'],
      framing: framingOf(framing),
      packing,
      chunked: true,
      onMessages: () => {},
      onDone: () => {},
      onFailure: error => {
        throw error
      },
    })
    const out = Promise.resolve(passage.result).then(({ body }) => buffer(body.stream))
    for (const [n, chunk] of chunks.entries()) {
      between?.(n)
      source.write(chunk)
      await new Promise(setImmediate)
    }
    source.end()
    return out
  }

  texts(): string[] {
    return [...this.journal.read()].flatMap((event: TrafficEvent) => (event.kind === 'message' ? [event.message.text] : []))
  }
}

interface Block {
  readonly text: string
  readonly data: string | undefined
}

const eol = fc.constantFrom('\n', '\r\n')
const block: fc.Arbitrary<Block> = fc.oneof(
  fc
    .tuple(fc.constantFrom('keep', 'lose'), fc.nat(99), fc.constantFrom('', 'id: 4', 'event: x', ': note'), eol)
    .map(([word, n, extra, end]) => ({
      text: `${extra === '' ? '' : extra + end}data: ${word} ${n}${end}${end}`,
      data: `${word} ${n}`,
    })),
  eol.map(end => ({ text: `: beat${end}${end}`, data: undefined })),
)
const blocks = fc.array(block, { maxLength: 8 })
const places = fc.array(fc.nat(200), { maxLength: 8 })

function cut(text: string, at: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text)
  const sorted = [...new Set(at.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...sorted].map((from, n) => bytes.subarray(from, sorted[n] ?? bytes.length))
}

/** Where a block ended with a CR and its chunk, its LF is left when it is dropped: one more empty line. */
function blocksIn(bytes: Buffer): string[] {
  return bytes
    .toString()
    .split(/(?:\r?\n){2,}/)
    .flatMap(text => (text.trim() === '' ? [] : [text.trim()]))
}

const isLost = (value: unknown): boolean => String(value).startsWith('lose')

describe('events, however they are chunked', () => {
  test('go on as the bytes they were where no rule decides, and all are seen', async () => {
    await fc.assert(
      fc.asyncProperty(blocks, places, fc.boolean(), async (parts, at, isWatched) => {
        const bench = new Bench()
        if (isWatched) bench.rule({ kind: 'observe', fn: () => {} }, () => true)
        const text = parts.map(part => part.text).join('')
        expect((await bench.pass(cut(text, at), 'sse', one)).toString()).toBe(text)
        expect(bench.texts()).toEqual(parts.flatMap(({ data }) => data ?? []))
      }),
      { numRuns: 60 },
    )
  })

  test('are dropped by a rule, whole and no others', async () => {
    await fc.assert(
      fc.asyncProperty(blocks, places, async (parts, at) => {
        const bench = new Bench()
        bench.rule({ kind: 'drop' }, isLost)
        const out = await bench.pass(cut(parts.map(({ text }) => text).join(''), at), 'sse', one)
        expect(blocksIn(out)).toEqual(parts.flatMap(({ text, data }) => (isLost(data) ? [] : [text.trim()])))
      }),
      { numRuns: 60 },
    )
  })

  test('are dropped by a rule that comes when some have gone on: from the first that has not begun to', async () => {
    await fc.assert(
      fc.asyncProperty(blocks, places, fc.nat(8), async (parts, at, when) => {
        const bench = new Bench()
        const chunks = cut(parts.map(({ text }) => text).join(''), at)
        const gone = chunks.slice(0, when).reduce((sum, chunk) => sum + chunk.length, 0)
        const out = await bench.pass(chunks, 'sse', one, {
          between: n => {
            if (n === when) bench.rule({ kind: 'drop' }, isLost)
          },
        })
        let start = 0
        const expected = parts.flatMap(({ text, data }) => {
          const begun = start < gone || when >= chunks.length
          start += Buffer.byteLength(text)
          return !begun && isLost(data) ? [] : [text.trim()]
        })
        expect(blocksIn(out)).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })
})

test('arrays of messages, a line or a body each, lose those that a rule drops', async () => {
  const messages = fc.array(fc.constantFrom('"keep a"', '"lose b"', '"keep , ] c"'), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(messages, { minLength: 1, maxLength: 4 }),
      places,
      fc.constantFrom<Side>('client', 'server'),
      async (rows, at, from) => {
        const lines = new Bench()
        const whole = new Bench()
        for (const bench of [lines, whole]) bench.rule({ kind: 'drop' }, value => String(value).startsWith('"lose'))
        const row = (list: readonly string[]): string => `[${list.join(',')}]`
        const kept = rows.map(list => list.filter(text => !text.startsWith('"lose')))
        const out = await lines.pass(cut(rows.map(list => `${row(list)}\n`).join(''), at), 'lines', jsonArray(), { from })
        // A line that was emptied goes; one that was empty stays.
        expect(out.toString()).toBe(kept.map((list, n) => (list.length === 0 && rows[n]!.length > 0 ? '' : `${row(list)}\n`)).join(''))
        expect((await whole.pass(cut(row(rows.flat()), at), 'body', jsonArray(), { from })).toString()).toBe(row(kept.flat()))
      },
    ),
    { numRuns: 60 },
  )
})
