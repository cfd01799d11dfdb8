import type { Connection, Match, Message, Side, TrafficEvent } from '@midwire/proxy'
import { connectionKeys, factsMatch, matchOf } from './match-input.ts'

/** What a wait or an absence looks for in the journal. */
export interface Sought<R extends object> {
  /** `client message`, `connection`: "no client message matched …". */
  readonly what: string
  /** What the test wrote, for likeness and near misses. */
  readonly input: unknown
  readonly text: string
  /** ` of client({ query: { id: "a" } })`: whose, where it is not everybody's. */
  readonly of?: string
  /** What tells that client from others, so that the same wait for another is another wait. */
  readonly within?: readonly unknown[]
  /** True while more of the event is still to come that may make it one of those. @default never */
  isOpen?(event: TrafficEvent): boolean
  /** What the event has for the wait, if it is one of those it looks for. */
  pick(event: TrafficEvent): R | undefined
  /** The value that was compared, for near misses; `undefined` for events of another kind. */
  compared(event: TrafficEvent): unknown
  explain?(value: unknown): string | undefined
}

/** A connection closed: by a close frame, or by an end without one (then `code` is 1006, RFC 6455 §7.1.5). */
export interface Closing {
  readonly connection: Connection
  /** Whose close frame or end it was; `undefined`: Midwire's, as with `terminate()` and `reset()`. */
  readonly from: Side | undefined
  readonly code: number
  readonly reason: string
  readonly at: number
  readonly seq: number
}

export function soughtMessage(from: Side | undefined, input: unknown): Sought<Message> {
  const match = matchOf<unknown, Message>(input)
  const isMeant = (event: TrafficEvent): event is TrafficEvent & { kind: 'message' } =>
    event.kind === 'message' && (from === undefined || event.from === from) && isReadable(event.message)
  return {
    ...described(from === undefined ? 'message' : `${from} message`, input, match),
    pick: event => (isMeant(event) && match.test(event.message.value, event.message) ? event.message : undefined),
    compared: event => (isMeant(event) ? event.message.value : undefined),
  }
}

/** `at` 'handshake': as soon as a client asks; 'connection': once its 101 was written. */
export function soughtConnection(at: 'handshake' | 'connection', input: unknown, what: string): Sought<Connection> {
  const match = factsMatch<Connection>(input, connectionKeys, what)
  return {
    ...described('connection', input, match),
    pick: event => (event.kind === at && match.test(event.connection, event.connection) ? event.connection : undefined),
    compared: event => (event.kind === at ? event.connection : undefined),
  }
}

/** Of each connection only the first closing that matches counts, so that `nth` counts connections. */
export function soughtClosing(input: unknown, what: string): Sought<Closing> {
  const match = factsMatch<Closing & { host: string; path: string }>(input, ['from', 'code', 'reason', 'host', 'path'], what)
  const closed = new Set<Connection>()
  const found = new Set<Connection>()
  const read = (event: TrafficEvent): (Closing & { host: string; path: string }) | undefined => {
    if (event.kind !== 'close' && event.kind !== 'end' && event.kind !== 'terminated') return undefined
    const { connection, at, seq } = event
    const from = event.kind === 'terminated' ? undefined : event.from
    if (event.kind !== 'close' && closed.has(connection)) return undefined
    closed.add(connection)
    const { host, path } = connection
    const [code, reason] = event.kind === 'close' ? [event.code, event.reason] : [1006, '']
    return { connection, from, code, reason, at, seq, host, path }
  }
  return {
    ...described('close', input, match),
    pick(event) {
      const closing = read(event)
      if (!closing || found.has(closing.connection) || !match.test(closing, closing)) return undefined
      found.add(closing.connection)
      return closing
    },
    compared: event => (event.kind === 'close' ? event : undefined),
  }
}

export function soughtEvent(predicate: (event: TrafficEvent) => boolean): Sought<TrafficEvent> {
  const match = matchOf<TrafficEvent, TrafficEvent>(predicate)
  return {
    ...described('traffic', predicate, match),
    pick: event => (match.test(event, event) ? event : undefined),
    compared: () => undefined,
  }
}

/** False for what did not decode, and for what the journal has let go. */
function isReadable(message: Message): boolean {
  return !message.evicted && message.undecodable === undefined
}

/** What failures say of it. */
export function described<V, M>(
  what: string,
  input: unknown,
  match: Match<V, M>,
): Pick<Sought<object>, 'what' | 'input' | 'text' | 'explain'> {
  const { explain } = match
  return { what, input, text: match.text, ...(explain ? { explain: (value: unknown) => explain(value as V) } : {}) }
}
