import type { Connection, ConnectTarget, Exchange, HandshakeFacts, Match, RequestFacts, TrafficEvent } from '@midwire/proxy'
import { badInput } from './bad-input.ts'
import { both, handshakeMatch, targetMatch } from './match-input.ts'
import type { ConnectMatch, ConnectPredicate } from './matching.ts'
import type { Sought } from './sought.ts'

type Input = ConnectMatch | ConnectPredicate

/** One client of several, told from the others by what its handshakes say. */
export class ClientView {
  /** `client({ query: { id: "a" } })`. */
  readonly text: string
  readonly #inputs: readonly Input[]
  readonly #match: Match<HandshakeFacts, HandshakeFacts>
  readonly #known = new WeakMap<Connection | Exchange, boolean>()

  /** `within`: the view that this one narrows further. @throws MidwireError if `input` tells no client from another */
  constructor(input: Input, within?: ClientView) {
    const isEmpty = typeof input === 'object' && input !== null && Object.keys(input).length === 0
    if (input === undefined || isEmpty) {
      throw badInput(`client(match): expected what tells this client's handshakes from others, such as { query: { clientId: 'a' } }`)
    }
    const match = handshakeMatch(input, 'client(match)')
    this.#match = within ? both(within.#match, match) : match
    this.#inputs = [...(within ? within.#inputs : []), input]
    this.text = `${within ? `${within.text}.` : ''}client(${match.text})`
  }

  covers(connection: Connection): boolean {
    return this.#know(connection, () => ({ ...factsOf(connection), protocol: offered(connection), attempt: connection.attempt }))
  }

  /** True for a request that says of itself what the client's handshakes say. */
  coversExchange(exchange: Exchange): boolean {
    return this.#know(exchange, () => factsOfRequest(exchange))
  }

  /** True for what happened on the client's connections, and for its requests. */
  coversEvent(event: TrafficEvent): boolean {
    if ('exchange' in event) return this.coversExchange(event.exchange)
    if ('connection' in event && event.connection) return this.covers(event.connection)
    return false
  }

  /** The same, of this client only. */
  narrow<R extends object>(sought: Sought<R>): Sought<R> {
    return {
      ...sought,
      of: ` of ${this.text}`,
      within: this.#inputs,
      // Those that count closings must see all of them.
      pick: event => {
        const found = sought.pick(event)
        return found !== undefined && this.coversEvent(event) ? found : undefined
      },
      compared: event => (this.coversEvent(event) ? sought.compared(event) : undefined),
      ...(sought.isOpen && { isOpen: event => this.coversEvent(event) && sought.isOpen?.(event) === true }),
    }
  }

  /** A message rule's match, for the client's connections only. */
  onConnections<V, M extends { readonly connection: Connection }>(match: Match<V, M>): Match<V, M> {
    return { ...match, test: (value, message) => this.covers(message.connection) && match.test(value, message) }
  }

  onHandshakes(match: Match<HandshakeFacts, HandshakeFacts>): Match<HandshakeFacts, HandshakeFacts> {
    return both(this.#match, match)
  }

  /** A match on requests, for those that say of themselves what the client's handshakes say. */
  onRequests(match: Match<RequestFacts, RequestFacts>): Match<RequestFacts, RequestFacts> {
    const client: Match<RequestFacts, RequestFacts> = {
      ...this.#match,
      test: request => {
        const facts = factsOfRequest(request)
        return this.#match.test(facts, facts)
      },
      explain: request => this.#match.explain?.(factsOfRequest(request)),
    }
    return both(client, match)
  }

  /** @throws MidwireError if the client is known by more than its host and port, which is all that there is before a byte is read */
  onTargets(match: Match<ConnectTarget, ConnectTarget>, verb: string): Match<ConnectTarget, ConnectTarget> {
    return this.#inputs.reduce((so, input) => both(targetMatch(input, verb, 'client'), so), match)
  }

  #know(subject: Connection | Exchange, facts: () => HandshakeFacts): boolean {
    let is = this.#known.get(subject)
    if (is === undefined) {
      const seen = facts()
      is = this.#match.test(seen, seen)
      this.#known.set(subject, is)
    }
    return is
  }
}

function factsOf({
  host,
  port,
  url,
  path,
  query,
  headers,
}: Connection | Exchange | RequestFacts): Omit<HandshakeFacts, 'protocol' | 'attempt'> {
  return { host, port, url, path, query, headers }
}

/** A request offers no subprotocol and is no attempt to open a connection. */
function factsOfRequest(request: Exchange | RequestFacts): HandshakeFacts {
  return { ...factsOf(request), protocol: [], attempt: 0 }
}

/** RFC 6455 §4.1: the subprotocols that the client speaks, in order of preference. */
function offered({ headers }: Connection): string[] {
  const header = headers['sec-websocket-protocol'] ?? []
  return (Array.isArray(header) ? header : [header]).flatMap(text => text.split(',')).map(name => name.trim())
}
