import type { Codec } from '@midwire/proxy'
import { generate, parser } from 'mqtt-packet'
import type { Packet } from 'mqtt-packet'
import { cutMessages } from './cut-messages.ts'
import { readVarint } from './varint.ts'

/** An MQTT control packet as mqtt-packet names it, told apart by `cmd`: `connect`, `publish`, `puback` and the others. */
export type MqttPacket = Packet

/** Of a connection, both directions. */
interface Agreement {
  /** 3 for MQTT 3.1, 4 for 3.1.1, 5 for 5.0; what the client's CONNECT says. */
  protocolVersion: number
}

/**
 * MQTT 3.1, 3.1.1 and 5.0 over WebSocket. Packets and WebSocket messages know nothing of each other (MQTT 5.0 §6): many frames may carry one
 * packet, and one frame many.
 */
export function mqtt(): Codec<MqttPacket, Agreement> {
  return {
    name: 'mqtt',
    state: ({ peer }) => peer ?? { protocolVersion: 4 },
    decode: (bytes, { state }) =>
      cutMessages(bytes, {
        sizeAt(within, at) {
          // §2.1.4: the remaining length takes one to four bytes
          const remaining = readVarint(within, at + 1, 4)
          return remaining && 1 + remaining.size + remaining.value
        },
        read(own) {
          const packet = parse(own, state)
          if (packet.cmd === 'connect') state.protocolVersion = packet.protocolVersion ?? 4
          return packet
        },
      }),
    encode(value, { state }) {
      const { messageId = 1 } = value
      // mqtt-packet writes its low bytes, whatever it is. §2.2.1: not 0
      if (!(messageId >= 1 && messageId <= 0xffff)) throw new RangeError(`messageId ${messageId}: expected 1 to 65535`)
      return generate(withBuffers(value), { ...state })
    },
  }
}

/** Fields that mqtt-packet gives every packet. */
interface Parsed {
  readonly packet: Packet & { readonly topic?: unknown; readonly payload?: unknown }
}

function parse(own: Uint8Array, { protocolVersion }: Agreement): MqttPacket {
  const found: { packet?: Parsed['packet']; error?: unknown } = {}
  const one = parser({ protocolVersion })
  one.on('packet', packet => (found.packet = packet))
  one.on('error', (error: unknown) => (found.error = error))
  one.parse(Buffer.from(own.buffer, own.byteOffset, own.byteLength))
  if (found.error !== undefined) throw found.error
  if (!found.packet) throw new RangeError('the packet is shorter than its fields')
  return onlyOwnFields(found.packet)
}

/** What the packet carries, without what the parser keeps for itself or for packets of another kind. */
function onlyOwnFields(packet: Parsed['packet']): MqttPacket {
  const { length: _length, ...fields } = packet
  if (fields.cmd === 'publish') return { ...fields }
  const { topic: _topic, payload: _payload, ...own } = fields
  if (own.cmd === 'subscribe' || own.cmd === 'unsubscribe') return { ...own }
  const rest: object = own
  const { qos: _qos, dup: _dup, retain: _retain, ...bare } = rest as { qos?: unknown; dup?: unknown; retain?: unknown }
  return bare as MqttPacket
}

/** mqtt-packet takes a payload that is no Buffer for text. */
function withBuffers(packet: MqttPacket): MqttPacket {
  if (packet.cmd !== 'publish' || typeof packet.payload === 'string' || Buffer.isBuffer(packet.payload)) return packet
  return { ...packet, payload: Buffer.from(packet.payload) }
}
