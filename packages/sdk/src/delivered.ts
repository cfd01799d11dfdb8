import type { Message, ProxyEngine, TrafficEvent } from '@midwire/proxy'
import { matchOf } from './match-input.ts'
import type { Sought } from './sought.ts'

/** A message as the client was given it: changed by a rule, perhaps, or Midwire's own. */
interface Delivered {
  readonly value: unknown
  readonly message: Message
}

/** Looks for what was written to the client, as it was written. */
export function soughtDelivered(input: unknown, engine: ProxyEngine): Sought<Message> {
  const match = matchOf<unknown, Message>(input)
  const { explain } = match
  return {
    what: 'message to the client',
    input,
    text: match.text,
    pick(event) {
      const delivered = deliveredBy(event, engine)
      return delivered && match.test(delivered.value, delivered.message) ? delivered.message : undefined
    },
    compared: event => deliveredBy(event, engine)?.value,
    ...(explain ? { explain: (value: unknown) => explain(value) } : {}),
  }
}

function deliveredBy(event: TrafficEvent, engine: ProxyEngine): Delivered | undefined {
  if (event.kind === 'injected') return injected(event, engine)
  if (event.kind !== 'message' || event.from !== 'server') return undefined
  const { message } = event
  if (message.evicted || message.undecodable !== undefined || message.delivered === undefined) return undefined
  // What was broken on its way says nothing to the client.
  if (message.verdict?.kind === 'corrupt') return undefined
  return { value: message.verdict?.kind === 'replace' ? message.verdict.value : message.value, message }
}

/** What Midwire itself sent to the client, as a message. */
function injected(event: TrafficEvent & { readonly kind: 'injected' }, { codec }: ProxyEngine): Delivered | undefined {
  const { to, what, bytes, connection, at, seq } = event
  if (to !== 'client' || !what.endsWith(' message')) return undefined
  if (seq > (connection.frozenSince('server') ?? Infinity)) return undefined
  const from = 'server'
  const binary = what.startsWith('binary')
  const { protocol, url } = connection
  try {
    // It is whole, and no part of what the state of the stream stands for.
    const isKnown = codec.stateless !== true && 'value' in event
    const decode = (): unknown =>
      codec.decode(bytes, { from, binary, protocol, state: codec.state?.({ from, protocol, url }) }).messages[0]?.value
    const value = isKnown ? event.value : decode()
    const message: Message = {
      value,
      from,
      connection,
      at,
      index: -1,
      binary,
      bytes,
      text: Buffer.from(bytes).toString('utf8'),
      verdict: undefined,
      decidedBy: undefined,
      delivered: bytes,
      whenDelivered: Promise.resolve(bytes),
      settled: true,
      undecodable: undefined,
      evicted: false,
      seq,
    }
    return { value, message }
  } catch {
    return undefined
  }
}
