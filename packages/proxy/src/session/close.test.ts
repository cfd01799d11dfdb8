import { describe, expect, test } from 'vitest'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import { VirtualWire } from './testing/virtual-wire.ts'

const hold = { kind: 'hold', others: 'wait' } as const
const sides: readonly Side[] = ['client', 'server']

describe('a close handshake of the peers', () => {
  test.for(sides)('begun by the %s is relayed as it is, and ended by the peers (T26)', from => {
    const wire = new VirtualWire()
    const to = other(from)
    wire.bytes(from, wire.closeFrame(from, 4001, 'bye'))
    expect(wire.session.phase).toBe('closing')
    expect(wire.seen(to)).toEqual(['close:4001:bye'])
    expect(wire.seen(from)).toEqual([])
    wire.bytes(to, wire.closeFrame(to, 4001, 'bye'))
    expect(wire.seen(from)).toEqual(['close:4001:bye'])
    wire.put({ kind: 'end', from: 'server', how: 'fin' })
    expect(wire.outputs).not.toContainEqual({ kind: 'over' })
    wire.put({ kind: 'end', from: 'client', how: 'fin' })
    expect(wire.seen('client').at(-1)).toBe('fin')
    expect(wire.seen('server').at(-1)).toBe('fin')
    expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
    expect(wire.session.phase).toBe('closed')
  })

  test('comes after a message that was held when it arrived (T20)', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold)
    wire.send('server', 'DISCONNECTED')
    wire.bytes('server', wire.closeFrame('server', 4001, 'bye'))
    wire.put({ kind: 'end', from: 'server', how: 'fin' })
    expect(wire.seen('client')).toEqual([])
    wire.until(1000)
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['DISCONNECTED', 'close:4001:bye', 'fin'])
  })

  test('comes after what was set aside', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'hold', others: 'pass' }, { match: 'h' })
    wire.send('server', 'h', 'a')
    wire.bytes('server', wire.closeFrame('server', 1000))
    expect(wire.seen('client')).toEqual(['a'])
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['a', 'h', 'close:1000:'])
  })

  test('without a code stays an empty frame, and is journalled as 1005 (T22)', () => {
    const wire = new VirtualWire()
    const frame = wire.closeFrame('server')
    wire.bytes('server', frame)
    expect(wire.written('client')).toEqual(frame)
    expect(wire.events()).toMatchObject([{ kind: 'close', from: 'server', code: 1005, reason: '' }])
  })

  test('a reason of 123 bytes of UTF-8 is kept (T24)', () => {
    const wire = new VirtualWire()
    const reason = 'ä'.repeat(61) + 'x'
    wire.bytes('client', wire.closeFrame('client', 3000, reason))
    expect(wire.seen('server')).toEqual([`close:3000:${reason}`])
  })

  test.each(['wait', 'pass'] as const)(
    'from the client: what is held for it may still go until the server has replied (T25), others: %s',
    others => {
      const wire = new VirtualWire()
      const rule = wire.rule({ kind: 'hold', others }, { from: 'server' })
      wire.send('server', 'held')
      wire.bytes('client', wire.closeFrame('client', 1000))
      wire.release(rule.held[0])
      wire.bytes('server', wire.closeFrame('server', 1000))
      expect(wire.seen('client')).toEqual(['held', 'close:1000:'])
    },
  )

  test.each(['wait', 'pass'] as const)(
    'of both: what is still held is discarded with a note, and the close does not wait for it (T25), others: %s',
    others => {
      const wire = new VirtualWire()
      const rule = wire.rule({ kind: 'hold', others }, { from: 'server' })
      wire.send('server', 'held')
      wire.bytes('client', wire.closeFrame('client', 1000))
      wire.bytes('server', wire.closeFrame('server', 1000))
      expect(wire.seen('client')).toEqual(['close:1000:'])
      expect(rule.held).toEqual([])
      expect(wire.messages()[0]).toMatchObject({ settled: true, delivered: undefined })
      expect(wire.events()).toContainEqual(
        expect.objectContaining({ kind: 'note', text: expect.stringContaining('1 message to the client discarded') }),
      )
    },
  )

  test('in the middle of a fragmented message ends that message where it is', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, { match: 'nothing' })
    wire.bytes('server', wire.frame('server', 'half', { fin: false }), wire.closeFrame('server', 1000))
    expect(wire.seen('client')).toEqual(['half…', 'close:1000:'])
  })

  test('bytes behind a close frame still go to the receiver, who knows what to do with them', () => {
    const wire = new VirtualWire()
    const bytes = Buffer.concat([wire.closeFrame('server', 1000), wire.frame('server', 'late')])
    wire.bytes('server', bytes)
    wire.bytes('server', wire.frame('server', 'later'))
    expect(wire.seen('client')).toEqual(['close:1000:', 'late', 'later'])
    expect(wire.messages()).toEqual([])
  })
})

describe('a close of our own', () => {
  test('to both: the replies are swallowed, and each leg ends when its reply has come', () => {
    const wire = new VirtualWire()
    wire.put({ kind: 'close', to: 'both', code: 4000, reason: 'enough' })
    expect(wire.seen('client')).toEqual(['close:4000:enough'])
    expect(wire.seen('server')).toEqual(['close:4000:enough'])
    wire.bytes('client', wire.closeFrame('client', 4000))
    expect(wire.seen('client')).toEqual(['close:4000:enough', 'fin'])
    wire.bytes('server', wire.closeFrame('server', 4000))
    expect(wire.seen('server')).toEqual(['close:4000:enough', 'fin'])
    wire.put({ kind: 'end', from: 'client', how: 'fin' })
    wire.put({ kind: 'end', from: 'server', how: 'fin' })
    expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
  })

  test('to one side: the other gets FIN, as from a peer that vanished', () => {
    for (const to of sides) {
      const wire = new VirtualWire()
      wire.put({ kind: 'close', to, code: 1012, reason: '' })
      wire.send(other(to), 'not to be written after a close frame')
      wire.send(to, 'still on its way')
      wire.bytes(to, wire.closeFrame(to, 1012))
      wire.put({ kind: 'end', from: to, how: 'fin' })
      expect(wire.seen(to)).toEqual(['close:1012:', 'fin'])
      expect(wire.seen(other(to))).toEqual(['still on its way', 'fin'])
      wire.put({ kind: 'end', from: other(to), how: 'fin' })
      expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
    }
  })

  test('a peer that does not answer is ended after closeTimeout', () => {
    const wire = new VirtualWire({ closeTimeout: 300 })
    wire.put({ kind: 'close', to: 'both', code: 1000, reason: '' })
    wire.until(299)
    expect(wire.outputs).not.toContainEqual({ kind: 'over' })
    wire.until(300)
    expect(wire.outputs.slice(-2)).toEqual([{ kind: 'end', to: 'both', how: 'fin' }, { kind: 'over' }])
    expect(wire.notes()).toEqual([expect.stringMatching(/no answer to a close frame within 300 ms/)])
  })

  test('a peer that ends without an answer is not waited for', () => {
    const wire = new VirtualWire()
    wire.put({ kind: 'close', to: 'client', code: 1000, reason: '' })
    wire.put({ kind: 'end', from: 'client', how: 'fin' })
    expect(wire.seen('client')).toEqual(['close:1000:', 'fin'])
    expect(wire.seen('server')).toEqual(['fin'])
  })

  test('waits behind what is held', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { from: 'server' })
    wire.send('server', 'held')
    wire.put({ kind: 'close', to: 'client', code: 1000, reason: '' })
    wire.until(60_000)
    expect(wire.seen('client')).toEqual([])
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['held', 'close:1000:'])
  })

  test('does not wait for the rest of a message that a rule could decide', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, { match: 'nothing' })
    wire.bytes('server', wire.frame('server', 'half', { fin: false }))
    wire.put({ kind: 'close', to: 'client', code: 1000, reason: '' })
    wire.bytes('server', wire.frame('server', 'and half', { opcode: 0 }))
    expect(wire.seen('client')).toEqual(['close:1000:'])
  })

  test('does not wait for ever for the rest of a message that is being relayed', () => {
    const wire = new VirtualWire({ closeTimeout: 300 })
    wire.bytes('server', wire.frame('server', 'half', { fin: false }))
    wire.put({ kind: 'close', to: 'client', code: 1000, reason: '' })
    wire.until(300)
    expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
    expect(wire.seen('client')).toEqual(['half…', 'fin'])
  })

  test('while the peers are closing, their own frames come first, and none is written twice', () => {
    const wire = new VirtualWire()
    wire.bytes('client', wire.closeFrame('client', 1001))
    wire.put({ kind: 'close', to: 'both', code: 4000, reason: '' })
    // To the client it is the answer to its own close frame.
    expect(wire.seen('client')).toEqual(['close:4000:', 'fin'])
    wire.bytes('server', wire.closeFrame('server', 1001))
    wire.put({ kind: 'end', from: 'server', how: 'fin' })
    wire.put({ kind: 'end', from: 'client', how: 'fin' })
    expect(wire.seen('server')).toEqual(['close:1001:', 'fin'])
    expect(wire.seen('client')).toEqual(['close:4000:', 'fin'])
    expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
  })

  test('nothing of our own is written behind a close frame, and a line says so (T34)', () => {
    const wire = new VirtualWire()
    wire.bytes('server', wire.closeFrame('server', 1000))
    wire.put({ kind: 'send', to: 'client', payload: wire.session.encode('client', 'late'), place: 'now' })
    expect(wire.seen('client')).toEqual(['close:1000:'])
    expect(wire.notes()).toEqual([expect.stringMatching(/not sent: the close frame had gone before/)])
  })
})

describe('FIN and RST', () => {
  test('half-close: after the FIN of one side the other goes on (T28)', () => {
    const wire = new VirtualWire()
    wire.send('client', 'last words')
    wire.put({ kind: 'end', from: 'client', how: 'fin' })
    expect(wire.seen('server')).toEqual(['last words', 'fin'])
    wire.send('server', 'still', 'streaming')
    wire.put({ kind: 'end', from: 'server', how: 'fin' })
    expect(wire.seen('client')).toEqual(['still', 'streaming', 'fin'])
    expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
  })

  test.for(sides)('a reset by the %s reaches the other as a reset, after what came before', from => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { from })
    wire.send(from, 'held')
    wire.put({ kind: 'end', from, how: 'rst' })
    expect(wire.seen(other(from))).toEqual([])
    wire.release(rule.held[0])
    expect(wire.seen(other(from))).toEqual(['held', 'rst'])
    expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
  })

  test('what is held for a receiver that has reset is discarded with a line', async () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { from: 'server' })
    wire.send('server', 'held', 'also')
    const [message] = wire.messages()
    wire.put({ kind: 'end', from: 'client', how: 'rst' })
    expect(wire.notes()).toEqual(['2 messages to the client discarded: the client has reset the connection'])
    expect(rule.held).toEqual([])
    await expect(message?.whenDelivered).resolves.toBeUndefined()
  })

  test('a reset after a FIN resets the other too', () => {
    const wire = new VirtualWire()
    wire.put({ kind: 'end', from: 'client', how: 'fin' })
    wire.put({ kind: 'end', from: 'client', how: 'rst' })
    expect(wire.seen('server')).toEqual(['fin'])
    wire.send('server', 'to nobody')
    wire.put({ kind: 'end', from: 'server', how: 'fin' })
    expect(wire.seen('client')).toEqual([])
    expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
    expect(wire.messages()[0]?.delivered).toBeUndefined()
  })

  test('an end in the middle of a frame lets what has come go on', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, { match: 'nothing' })
    const frame = wire.frame('client', 'never complete')
    wire.bytes('client', frame.subarray(0, 9))
    wire.bytes('client', frame.subarray(9, 12))
    wire.put({ kind: 'end', from: 'client', how: 'fin' })
    expect(wire.written('server')).toEqual(frame.subarray(0, 12))
    expect(wire.outputs.at(-1)).toEqual({ kind: 'end', to: 'server', how: 'fin' })
  })

  test('what was set aside comes before the beginning of a frame that was never completed', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'hold', others: 'pass' })
    wire.bytes('server', wire.frame('server', 'aside'), Buffer.from([0x81]))
    wire.put({ kind: 'end', from: 'server', how: 'fin' })
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['aside', 'part of a frame', 'fin'])
  })

  test('what was set aside is discarded if such a beginning had gone on before, and a line says so', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'hold', others: 'pass' }, { times: 1 })
    const half = wire.frame('server', 'never complete').subarray(0, 9)
    wire.bytes('server', wire.frame('server', 'aside'))
    wire.bytes('server', half)
    wire.put({ kind: 'end', from: 'server', how: 'fin' })
    wire.release(rule.held[0])
    expect(wire.written('client')).toEqual(half)
    expect(wire.notes()).toEqual(['a message to the client was discarded: the message before it was never completed'])
    expect(wire.outputs.at(-1)).toEqual({ kind: 'end', to: 'client', how: 'fin' })
  })

  test('an end in the middle of a header does too', () => {
    const wire = new VirtualWire()
    const frame = wire.frame('client', 'never complete')
    wire.bytes('client', frame.subarray(0, 4))
    wire.put({ kind: 'end', from: 'client', how: 'rst' })
    expect(wire.written('server')).toEqual(frame.subarray(0, 4))
  })
})

describe('terminate', () => {
  test.for(['fin', 'rst'] as const)('with %s ends both legs at once, and says what was discarded', how => {
    const wire = new VirtualWire()
    wire.rule(hold)
    wire.send('server', 'held')
    expect(wire.put({ kind: 'terminate', how })).toEqual([{ kind: 'end', to: 'both', how }, { kind: 'over' }])
    expect(wire.notes()).toEqual([
      how === 'fin' ? 'terminated: FIN to both sides, no close frame' : 'reset: RST to both sides',
      expect.stringMatching(/1 message to the client discarded: the connection was/),
    ])
    expect(wire.bytes('client', wire.frame('client', 'late'))).toEqual([])
  })
})

describe('what follows a message', () => {
  test('thenTerminate: written, then ended, with nothing in between', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'replace', fn: () => 'x' }, { match: 'b', then: [{ kind: 'terminate' }] })
    const outputs = wire.send('client', 'a', 'b', 'c')
    expect(outputs.map(output => output.kind)).toEqual(['write', 'write', 'end', 'over'])
    expect(wire.seen('server')).toEqual(['a', 'x', 'fin'])
    expect(wire.seen('client')).toEqual(['fin'])
  })

  test('drop, then terminate: the message never leaves', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, { match: 'b', then: [{ kind: 'terminate' }] })
    wire.send('client', 'a', 'b', 'c')
    expect(wire.seen('server')).toEqual(['a', 'fin'])
    expect(wire.messages().map(message => message.delivered?.toString())).toEqual(['a', undefined, undefined])
  })

  test('thenClose: close frames to both, and nothing after them', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, { match: 'b', then: [{ kind: 'close', code: 4002, reason: 'rule' }] })
    wire.send('client', 'a', 'b', 'c')
    wire.send('server', 'd')
    expect(wire.seen('server')).toEqual(['a', 'close:4002:rule'])
    expect(wire.seen('client')).toEqual(['close:4002:rule'])
  })

  test('thenSend: right behind the message, also where others came in the same chunk', () => {
    const wire = new VirtualWire()
    wire.rule(
      { kind: 'observe', fn: () => {} },
      {
        match: 'b',
        then: [
          { kind: 'send', to: 'server', value: 's' },
          { kind: 'send', to: 'client', value: 'c' },
        ],
      },
    )
    wire.send('client', 'a', 'b', 'c')
    expect(wire.seen('server')).toEqual(['a', 'b', 's', 'c'])
    expect(wire.seen('client')).toEqual(['c'])
  })

  test('it happens when the message is carried out, not when it arrives', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { match: 'a' })
    wire.rule({ kind: 'drop' }, { match: 'b', then: [{ kind: 'terminate' }] })
    wire.send('client', 'a', 'b')
    expect(wire.outputs).toEqual([])
    wire.release(rule.held[0])
    expect(wire.seen('server')).toEqual(['a', 'fin'])
  })
})

test('a session takes one input at a time', () => {
  const wire = new VirtualWire()
  wire.rule({ kind: 'observe', fn: () => void wire.put({ kind: 'releaseAll' }) })
  wire.send('client', 'a')
  expect(wire.failures()).toEqual([expect.stringMatching(/one input at a time: 'releaseAll'/)])
})
