import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MidwireError } from '../../src/errors.ts'
import { lineCodec, textCodec, VirtualWire } from '../../src/session/testing/virtual-wire.ts'
import { other, type Side } from '../../src/side.ts'
import { long, runs } from '../long-run.ts'
import { compressed, content, frameBytes } from '../transparency/frames.ts'
import { mutated, mutations } from './mutation.ts'

const timeout = long ? 3_600_000 : 30_000

const plain = (opcode: number, size: number, fin = true, rsv = 0) => ({ opcode, payload: content(size, size), fin, rsv, key: 0x01020304 })
const samples = [
  [plain(1, 5), plain(1, 130), plain(9, 4), plain(10, 0)],
  [plain(2, 10, false), plain(9, 3), plain(0, 10, false), plain(0, 0)],
  [{ ...plain(1, 0, true, 4), payload: compressed(content(300, 1)) }, plain(1, 3)],
  [plain(1, 2), { ...plain(8, 0), payload: Buffer.from([3, 232, 98, 121, 101]) }, plain(1, 2)],
  [plain(1, 70_000)],
  [
    { ...plain(1, 0), payload: Buffer.from('one\ntwo\nthr') },
    { ...plain(1, 0), payload: Buffer.from('ee\n') },
  ],
]

const burst = fc.record({
  from: fc.constantFrom<Side>('client', 'server'),
  sample: fc.option(fc.nat(samples.length - 1), { nil: undefined }),
  noise: fc.uint8Array({ maxLength: 40 }),
  changes: mutations,
  cuts: fc.oneof(
    { weight: 4, arbitrary: fc.array(fc.nat(400), { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.constant('everywhere' as const) },
  ),
})
type Burst = typeof burst extends fc.Arbitrary<infer B> ? B : never

/** The bytes of a burst, in the parts that they come in. */
function parts({ from, sample, noise, changes, cuts }: Burst): Buffer[] {
  const frames = sample === undefined ? [] : (samples[sample] ?? [])
  const bytes = mutated(Buffer.concat([...frames.map(frame => frameBytes({ ...frame, masked: from === 'client' })), noise]), changes)
  if (cuts === 'everywhere') return Array.from(bytes.subarray(0, 500), (_, n) => bytes.subarray(n, n + 1))
  const at = [...cuts.map(cut => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return at.map((to, n) => bytes.subarray(at[n - 1] ?? 0, to)).filter(part => part.length > 0)
}

/** What a message, a rule or a failure may be asked about must answer, or say with an error of ours why it cannot. */
function readEverything(wire: VirtualWire): void {
  for (const message of wire.messages()) {
    for (const ask of [() => message.text, () => message.value, () => message.bytes, () => message.delivered]) {
      try {
        ask()
      } catch (error) {
        expect(error).toBeInstanceOf(MidwireError)
      }
    }
  }
}

function endBoth(wire: VirtualWire, how: 'fin' | 'rst'): void {
  for (const output of wire.outputs)
    if (output.kind === 'ask' && output.message.verdict === undefined) wire.put({ kind: 'decision', id: output.id, verdict: undefined })
  wire.put({ kind: 'releaseAll' })
  for (const from of ['client', 'server'] as const) wire.put({ kind: 'end', from, how })
  for (const output of wire.outputs)
    if (output.kind === 'ask' && output.message.verdict === undefined) wire.put({ kind: 'decision', id: output.id, verdict: undefined })
  wire.put({ kind: 'releaseAll' })
  wire.until(wire.now + 10_000)
  expect(wire.outputs.filter(({ kind }) => kind === 'over')).toHaveLength(1)
}

test(
  'with no rule, any bytes come out as they went in, however they are cut',
  () => {
    fc.assert(
      fc.property(
        fc.array(burst, { maxLength: 5 }),
        fc.boolean(),
        fc.option(fc.nat(3000), { nil: undefined }),
        (bursts, deflate, journalLimit) => {
          const wire = new VirtualWire({ deflate: { deflate }, ...(journalLimit === undefined ? {} : { journalLimit }) })
          const sent: Record<Side, Buffer[]> = { client: [], server: [] }
          for (const burst of bursts) {
            for (const part of parts(burst)) {
              sent[burst.from].push(part)
              // The session may keep what it is given.
              wire.bytes(burst.from, Buffer.from(part))
            }
          }
          endBoth(wire, 'fin')
          for (const from of ['client', 'server'] as const) {
            expect(wire.written(other(from)).toString('hex')).toBe(Buffer.concat(sent[from]).toString('hex'))
          }
          expect(wire.failures()).toEqual([])
          readEverything(wire)
        },
      ),
      runs(1500, 100_000),
    )
  },
  timeout,
)

test(
  'with rules, any bytes at any leg are taken, and the session always ends',
  () => {
    fc.assert(
      fc.property(
        fc.array(burst, { maxLength: 5 }),
        fc.record({
          deflate: fc.boolean(),
          lines: fc.boolean(),
          how: fc.constantFrom('fin' as const, 'rst' as const),
          messageLimit: fc.constantFrom(50, 100_000),
        }),
        fc.array(fc.constantFrom('drop', 'hold', 'aside', 'replace', 'patch', 'ask', 'delay', 'close'), { maxLength: 3 }),
        (bursts, { deflate, lines, how, messageLimit }, verbs) => {
          const wire = new VirtualWire({ codec: lines ? lineCodec : textCodec, deflate: { deflate }, messageLimit, holdLimit: 500 })
          for (const [n, verb] of verbs.entries()) {
            const match = (_: string, message: { readonly index: number }) => message.index % 3 === n
            switch (verb) {
              case 'drop':
                wire.rule({ kind: 'drop' }, { match })
                break
              case 'hold':
                wire.rule({ kind: 'hold', others: 'wait' }, { match })
                break
              case 'aside':
                wire.rule({ kind: 'hold', others: 'pass' }, { match })
                break
              case 'replace':
                wire.rule({ kind: 'replace', fn: value => `${String(value)}!` }, { match })
                break
              case 'patch':
                wire.rule({ kind: 'patch', fn: value => String(value).toUpperCase() }, { match })
                break
              case 'ask':
                wire.ask({ match })
                break
              case 'delay':
                wire.rule({ kind: 'delay', ms: 5 }, { match })
                break
              case 'close':
                wire.rule({ kind: 'observe', fn: () => {} }, { match, then: [{ kind: 'close', code: 1000, reason: '' }] })
            }
          }
          for (const burst of bursts) {
            for (const part of parts(burst)) wire.bytes(burst.from, Buffer.from(part))
            wire.until(wire.now + 2)
          }
          endBoth(wire, how)
          readEverything(wire)
        },
      ),
      runs(1500, 100_000),
    )
  },
  timeout,
)
