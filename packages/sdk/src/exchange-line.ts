import type { Exchange } from '@midwire/proxy'
import { size } from './transcript.ts'
import type { TranscriptLine } from './transcript.ts'

/** One HTTP exchange as a line: `POST  12 B  https://api.example.com/keys  503, 2 ms, 9 B, answered by onRequest (keys.test.ts:12)`. */
export function exchangeLine(exchange: Exchange, startedAt: number): TranscriptLine {
  const { at, method, url, requestBytes } = exchange
  const line = { at: at - startedAt, way: '', type: method, summary: url, outcome: outcomeOf(exchange) }
  return requestBytes === 0 ? line : { ...line, bytes: requestBytes }
}

function outcomeOf(exchange: Exchange): string {
  const { at, response, delivered, endedAt, failure, responseBytes } = exchange
  const decided = decision(exchange)
  if (failure !== undefined)
    return [failure, ...(decided === undefined || failure.includes(exchange.decidedBy ?? '') ? [] : [decided])].join(', ')
  const status = response === undefined ? 'no response' : String(response.status)
  // Where upstream said one thing, and the client was told another.
  const other =
    delivered !== undefined && response !== undefined && delivered.status !== response.status ? [`${delivered.status} to the client`] : []
  const duration = endedAt === undefined ? 'not ended' : `${Math.round(endedAt - at)} ms`
  const bytes = responseBytes === 0 ? [] : [size(responseBytes)]
  return [
    status,
    ...other,
    ...(response === undefined && endedAt === undefined ? [] : [duration]),
    ...bytes,
    ...(decided === undefined ? [] : [decided]),
  ].join(', ')
}

/** What a rule did with it, if one did. */
function decision({ decision: kind, decidedBy }: Exchange): string | undefined {
  return kind === undefined || decidedBy === undefined ? undefined : `${deeds[kind] ?? kind} by ${decidedBy}`
}

const deeds: Readonly<Record<string, string>> = {
  respondWith: 'answered',
  handle: 'handled',
  forwardThen: 'answered otherwise',
  patchRequest: 'request patched',
  patchResponse: 'response patched',
  hold: 'held',
  delay: 'delayed',
  reset: 'reset',
  end: 'ended',
  stall: 'stalled',
}
