import type { Exchange, ExchangeResponse, RequestFacts, TrafficEvent } from '@midwire/proxy'
import { requestKeys } from './match-input.ts'
import { contentMatch, mentionsContent, textKey } from './request-match.ts'
import { described } from './sought.ts'
import type { Sought } from './sought.ts'

/** What a match on requests, or on responses, is compared with. */
interface ExchangeFacts extends Exchange {
  readonly status?: number | undefined
}

/** Looks for a request, or for a response: its head suffices, unless the match is about the body. */
export function soughtExchange(kind: 'request' | 'response', input: unknown, what: string): Sought<Exchange> {
  const keys = [...requestKeys, 'body', ...(kind === 'response' ? ['status'] : [])]
  const match = contentMatch<ExchangeFacts>(input, keys, what)
  const isAboutBody = typeof input === 'function' ? mentionsContent(input) : typeof input === 'object' && input !== null && 'body' in input
  const facts = typeof input === 'function' ? (exchange: Exchange) => exchange : kind === 'request' ? requestFacts : responseFacts
  return {
    ...described(kind, input, match),
    ...(isAboutBody && { isOpen: event => event.kind === kind && isStillComing(event) }),
    pick: event => (event.kind === kind && match.test(facts(event.exchange), event.exchange) ? event.exchange : undefined),
    compared: event => (event.kind === kind ? facts(event.exchange) : undefined),
  }
}

/** True while more of the body may come that is asked for. */
function isStillComing({ kind, exchange }: TrafficEvent & { readonly kind: 'request' | 'response' }): boolean {
  const content = kind === 'request' ? exchange : exchange.response
  return content?.complete === false && content.lack === undefined && exchange.endedAt === undefined
}

/** An exchange as rules and matches see its request. */
export function requestFacts(exchange: Exchange): Exchange & RequestFacts {
  return Object.create(exchange, { body: { get: () => valueOf(exchange) }, [textKey]: { get: () => exchange.text ?? '' } })
}

function responseFacts(exchange: Exchange): ExchangeFacts {
  const { response } = exchange
  return Object.create(exchange, {
    status: { value: response?.status },
    body: { get: () => response && valueOf(response) },
    [textKey]: { get: () => response?.text },
  })
}

/** As rules see it: the JSON value of a body, or its text where it is none. */
function valueOf({ json, text }: Exchange | ExchangeResponse): unknown {
  return json === undefined ? text : json
}
