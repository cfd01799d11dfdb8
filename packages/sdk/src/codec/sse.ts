import { dataLines, eventFields, sseBlocks } from '@midwire/proxy'
import type { Codec, CodecContext } from '@midwire/proxy'

/** A server-sent event (WHATWG HTML §9.2). */
export interface ServerSentEvent<T = unknown> {
  /** @default 'message', for an event that names none */
  event?: string
  data: T
  /** What the client sends as Last-Event-ID when it connects again. */
  id?: string
  /** ms that the client is to wait before it connects again. */
  retry?: number
}

const nothing = new Uint8Array(0)

/**
 * For declared streams whose events have names or ids that matter: each message is an event with all its fields, whose data `codec` decodes.
 * Without it, a message of an event stream is the data alone.
 */
export function sse<T>(codec: Codec<T>): Codec<ServerSentEvent<T>> {
  return {
    name: `sse of ${codec.name}`,
    stateless: true,
    framing: sseBlocks,
    decode(bytes, context) {
      // Requests of the same stream have no events in their bodies.
      if (context.from === 'client') {
        const value = one(codec, bytes, context)
        return { messages: [{ value: { data: value }, bytes }], rest: nothing }
      }
      const fields = eventFields(bytes)
      const last = (name: string): string | undefined => fields.findLast(field => field.name === name)?.value
      const data = fields.flatMap(({ name, value }) => (name === 'data' ? [value] : [])).join('\n')
      const [event, id, retry] = [last('event'), last('id'), last('retry')]
      const value: ServerSentEvent<T> = {
        ...(event !== undefined && { event }),
        data: one(codec, Buffer.from(data), { ...context, binary: false }),
        ...(id !== undefined && { id }),
        ...(retry !== undefined && /^\d+$/.test(retry) && { retry: Number(retry) }),
      }
      return { messages: [{ value, bytes }], rest: nothing }
    },
    encode({ event, data, id, retry }, context) {
      const encoded = codec.encode(data, context)
      if (typeof encoded !== 'string' && !(encoded instanceof Uint8Array))
        throw new TypeError(`sse: ${codec.name} encodes to several messages`)
      if (context.from === 'client') return encoded
      const payload = typeof encoded === 'string' ? Buffer.from(encoded) : encoded
      const line = (name: string, value: string | number | undefined): string => (value === undefined ? '' : `${name}: ${value}\n`)
      return `${line('event', event)}${dataLines(payload)}${line('id', id)}${line('retry', retry)}\n`
    },
  }
}

function one<T>(codec: Codec<T>, bytes: Uint8Array, context: CodecContext): T {
  const { messages } = codec.decode(bytes, context)
  const [message] = messages
  if (!message || 'undecodable' in message) throw new Error(message?.undecodable ?? `${codec.name} found no message in it`)
  return message.value
}
