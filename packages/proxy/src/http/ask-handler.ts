import { messageOf } from '../errors.ts'
import type { RequestAction, RequestAnswer, RequestRule } from '../rule/request-rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import type { RunningExchange } from './exchange.ts'
import { fieldOf } from './raw-headers.ts'
import type { ReadAhead } from './read-ahead.ts'
import type { ClientSide } from './sides.ts'

/** Methods that a WHATWG request cannot have. */
const unspeakable = new Set(['TRACE', 'TRACK', 'CONNECT'])

/** What the function of a `handle` rule answers; a request that it fails to answer passes, and its test fails. */
export async function askHandler(
  exchange: RunningExchange,
  run: RuleRun<RequestRule>,
  fn: Extract<RequestAction, { kind: 'handle' }>['fn'],
  ahead: ReadAhead,
): Promise<RequestAnswer> {
  const { client, engine, place } = exchange
  const name = run.rule.name ?? run.rule.start
  if (unspeakable.has(client.head.method)) return 'pass'
  try {
    const request = requestFor(client, place.target.url, ahead, exchange.signal)
    const ask = (): Promise<RequestAnswer> => Promise.resolve(fn(request))
    return (await exchange.inTime(run, () => (place.scope ? engine.run(place.scope, ask) : ask()))) ?? 'passthrough'
  } catch (error) {
    // What it makes of the end of the exchange, of which its signal tells it, is no failure.
    if (exchange.over) return 'passthrough'
    exchange.ruleFailed(run, error, `the handler of ${name} failed, and its request passed: ${messageOf(error)}`)
    return 'passthrough'
  }
}

function requestFor({ head, version }: ClientSide, url: string, ahead: ReadAhead, signal: AbortSignal): Request {
  const headers = new Headers()
  for (let n = 0; n < head.rawHeaders.length; n += 2) headers.append(head.rawHeaders[n] ?? '', head.rawHeaders[n + 1] ?? '')
  const mayHaveBody = head.method !== 'GET' && head.method !== 'HEAD'
  const length = fieldOf(head.rawHeaders, 'content-length')
  const isFramed = length === undefined ? version === '2' || fieldOf(head.rawHeaders, 'transfer-encoding') !== undefined : length !== '0'
  const init = { method: head.method, headers, signal }
  return new Request(url, mayHaveBody && isFramed ? { ...init, body: ahead.copy(), duplex: 'half' } : init)
}
