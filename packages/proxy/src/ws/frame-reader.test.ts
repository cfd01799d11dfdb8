import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Side } from '../side.ts'
import { FrameReader } from './frame-reader.ts'
import { closePayload, writeFrame } from './frame-writer.ts'
import { MessageAssembler } from './message-assembler.ts'

/** What an assembler behind a reader makes of these chunks. */
function read(from: Side, chunks: readonly Buffer[], { deflate = false } = {}): { seen: string[]; passed: Buffer; reader: FrameReader } {
  const reader = new FrameReader(from, { deflate })
  const assembler = new MessageAssembler(from, { limit: 1e6 })
  const seen: string[] = []
  const passed: Buffer[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    assembler.read(reader.bytes, reader.first, {
      plain: () => {},
      message: (binary, payload, problem) => void seen.push(problem ?? `${binary ? 'binary' : 'text'} ${payload.toString()}`),
      control: (opcode, payload) => void seen.push(`0x${opcode.toString(16)} ${payload.toString()}`),
    })
    passed.push(reader.bytes)
    if (reader.opaque) passed.push(reader.opaque)
  }
  passed.push(reader.end())
  return { seen, passed: Buffer.concat(passed), reader }
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

function everyCut(whole: Buffer): Buffer[][] {
  const cuts: Buffer[][] = [[...whole].map(byte => Buffer.from([byte]))]
  for (let at = 0; at <= whole.length; at++) cuts.push([whole.subarray(0, at), whole.subarray(at)].filter(part => part.length > 0))
  return cuts
}

describe('RFC 6455 §5.7, the examples', () => {
  test.for<[name: string, from: Side, hex: string, seen: string[]]>([
    ['a single-frame unmasked text message', 'server', '81 05 48 65 6c 6c 6f', ['text Hello']],
    ['a single-frame masked text message', 'client', '81 85 37 fa 21 3d 7f 9f 4d 51 58', ['text Hello']],
    ['a fragmented unmasked text message', 'server', '01 03 48 65 6c 80 02 6c 6f', ['text Hello']],
    ['an unmasked ping', 'server', '89 05 48 65 6c 6c 6f', ['0x9 Hello']],
    ['a masked pong', 'client', '8a 85 37 fa 21 3d 7f 9f 4d 51 58', ['0xa Hello']],
  ])('%s, cut at every byte', ([, from, hex, seen]) => {
    for (const chunks of everyCut(bytes(hex))) expect(read(from, chunks)).toMatchObject({ seen, passed: bytes(hex) })
  })

  test.for([256, 65536])('%i bytes of binary in one unmasked message', size => {
    const frame = writeFrame({ opcode: 2, payload: Buffer.alloc(size, 0x61) })
    expect(frame.subarray(0, 10).toString('hex')).toBe(size === 256 ? '827e0100616161616161' : '827f0000000000010000')
    expect(read('server', [frame]).seen).toEqual([`binary ${'a'.repeat(size)}`])
  })
})

describe('what stays together', () => {
  test('a header that is split over chunks is carried, so that no chunk ends in a header', () => {
    const reader = new FrameReader('client', { deflate: false })
    const frame = writeFrame({ opcode: 2, payload: Buffer.alloc(70_000), key: 1 })
    reader.push(frame.subarray(0, 13))
    expect(reader.bytes.length).toBe(0)
    reader.push(frame.subarray(13, 100))
    expect(reader.bytes).toEqual(frame.subarray(0, 100))
    expect(reader.insideFrame).toBe(true)
  })

  test('a control frame that is split over chunks is carried whole', () => {
    const reader = new FrameReader('server', { deflate: false })
    const ping = writeFrame({ opcode: 9, payload: Buffer.from('are you there') })
    reader.push(ping.subarray(0, 8))
    expect(reader.bytes.length).toBe(0)
    reader.push(ping.subarray(8))
    expect(reader.bytes).toEqual(ping)
  })

  test('what was carried is given back at the end', () => {
    const reader = new FrameReader('client', { deflate: false })
    reader.push(bytes('81 85 37'))
    expect(reader.end()).toEqual(bytes('81 85 37'))
  })

  test('what follows a close frame is not read', () => {
    const close = writeFrame({ opcode: 8, payload: closePayload(1000, 'bye') })
    const { reader, seen } = read('server', [Buffer.concat([close, bytes('81 01 61')])])
    expect(seen).toEqual(['0x8 \u0003\ufffdbye'])
    expect(reader.violation).toBeUndefined()
    expect(reader.opaque).toEqual(bytes('81 01 61'))
  })
})

describe('what RFC 6455 forbids turns the rest opaque, and names the section (T69)', () => {
  const before = bytes('81 01 61')
  test.for<[name: string, hex: string, section: string]>([
    ['a control frame over 125 bytes', '89 7e 00 7e', '§5.5'],
    ['a fragmented control frame', '09 00', '§5.5'],
    ['a reserved data opcode', '83 00', '§5.2'],
    ['a reserved control opcode', '8b 00', '§5.2'],
    ['RSV1 with no extension', 'c1 00', '§5.2'],
    ['RSV2', 'a1 00', '§5.2'],
    ['a masked frame from a server', '81 81 00 00 00 00 61', '§5.1'],
    ['a continuation with nothing to continue', '80 00', '§5.4'],
    ['a new message inside a fragmented one', '01 00 81 00', '§5.4'],
    ['a length over 2^53', '82 7f ff ff ff ff ff ff ff ff', '§5.2'],
  ])('%s', ([, hex, section]) => {
    const whole = Buffer.concat([before, bytes(hex), before])
    const { seen, passed, reader } = read('server', [whole])
    expect(seen).toEqual(['text a'])
    expect(reader.violation?.section).toBe(`RFC 6455 ${section}`)
    expect(passed).toEqual(whole)
    for (const chunks of everyCut(whole)) expect(read('server', chunks).passed).toEqual(whole)
  })

  test('an unmasked frame from a client', () => {
    expect(read('client', [bytes('81 01 61')]).reader.violation).toEqual({ what: 'unmasked frame from a client', section: 'RFC 6455 §5.1' })
  })

  test('RSV1 may stand on the first frame of a message where permessage-deflate was agreed, and only there', () => {
    expect(read('server', [bytes('c1 00')], { deflate: true }).reader.violation).toBeUndefined()
    expect(read('server', [bytes('41 00 c0 00')], { deflate: true }).reader.violation?.section).toBe('RFC 6455 §5.2')
    expect(read('server', [bytes('c9 00')], { deflate: true }).reader.violation?.section).toBe('RFC 6455 §5.2')
  })

  test('a length that is longer than it need be is read, as real peers do', () => {
    expect(read('server', [bytes('81 7e 00 01 61')]).seen).toEqual(['text a'])
    expect(read('server', [bytes('81 7f 00 00 00 00 00 00 00 01 61')]).seen).toEqual(['text a'])
  })
})

const generatedFrame = fc.record({
  control: fc.option(fc.constantFrom(9, 10), { nil: undefined }),
  payload: fc.uint8Array({ maxLength: 300 }),
  fragments: fc.integer({ min: 1, max: 4 }),
  key: fc.integer({ min: 0, max: 0xffffffff }),
})

test('reading what was written gives it back, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Side>('client', 'server'),
      fc.array(generatedFrame, { maxLength: 12 }),
      fc.array(fc.nat(2000)),
      (from, generated, cuts) => {
        const frames: Buffer[] = []
        const expected: string[] = []
        for (const { control, payload, fragments, key } of generated) {
          const masked = from === 'client' ? key : undefined
          if (control !== undefined) {
            const short = payload.subarray(0, 125)
            frames.push(writeFrame({ opcode: control, payload: short, key: masked }))
            expected.push(`0x${control.toString(16)} ${Buffer.from(short).toString()}`)
            continue
          }
          const size = Math.ceil(payload.length / fragments)
          for (let i = 0; i < fragments; i++) {
            const part = payload.subarray(i * size, (i + 1) * size)
            frames.push(writeFrame({ opcode: i === 0 ? 2 : 0, payload: part, fin: i === fragments - 1, key: masked }))
          }
          expected.push(`binary ${Buffer.from(payload).toString()}`)
        }
        const whole = Buffer.concat(frames)
        const at = [...new Set(cuts.map(cut => cut % (whole.length + 1)))].sort((a, b) => a - b)
        const chunks = [...at, whole.length].map((end, i) => whole.subarray(at[i - 1] ?? 0, end)).filter(chunk => chunk.length > 0)
        const { seen, passed, reader } = read(from, chunks)
        expect(seen).toEqual(expected)
        expect(passed).toEqual(whole)
        expect(reader.messages).toBe(generated.filter(frame => frame.control === undefined).length)
      },
    ),
  )
})
