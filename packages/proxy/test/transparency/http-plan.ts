import fc from 'fast-check'
import { content } from './frames.ts'

/** How a body is framed (RFC 9112 §6): 'close' ends with its connection, and only a response can. */
export type Framing = 'none' | 'length' | 'chunked' | 'close'

export interface BodyPlan {
  readonly framing: Framing
  readonly size: number
  /** Where chunks end. */
  readonly borders: readonly number[]
  readonly trailers: readonly (readonly [string, string])[]
  readonly key: number
}

export interface ExchangePlan {
  /** Of the request; one of 1.0 says that its connection persists (RFC 9112 §9.3). */
  readonly version: '1.0' | '1.1'
  readonly responseVersion: '1.0' | '1.1'
  readonly method: string
  readonly target: string
  readonly requestHeaders: readonly (readonly [string, string])[]
  readonly request: BodyPlan
  /** Where the client's bytes are cut into writes. */
  readonly requestCuts: readonly number[]
  /** 'continue': the body waits for a 100; 'early': the response has come before the rest of the body is sent. */
  readonly pace: 'at once' | 'continue' | 'early'
  /** The client sends it together with the one before. */
  readonly pipelined: boolean
  /** Informational responses before the one that counts. */
  readonly hints: readonly (readonly [string, string])[][]
  readonly status: number
  readonly reason: string
  readonly responseHeaders: readonly (readonly [string, string])[]
  readonly response: BodyPlan
  readonly responseCuts: readonly number[]
}

/** The connection ends at one of these places of its last exchange, or after it. */
export interface HttpEnding {
  readonly by: 'client' | 'server'
  readonly how: 'fin' | 'rst'
  readonly when: 'after' | 'in the request' | 'before the response' | 'in the response'
}

export interface HttpPlan {
  readonly exchanges: readonly ExchangePlan[]
  readonly ending: HttpEnding
}

const field = fc.tuple(
  fc.constantFrom(
    'Accept',
    'cookie',
    'AUTHORIZATION',
    'X-Trace',
    'x-TRACE',
    'User-Agent',
    'Set-Cookie',
    'Date',
    'Server',
    'ETag',
    'TE',
    'Via',
  ),
  fc.constantFrom('a', '', 'b, c', 'q="x, y"; z', 'http://[::1]:80/', 'caf\u00e9', 'a'.repeat(300), 'two  spaces\tand a tab'),
)
const fields = fc.array(field, { maxLength: 5 })
const size = fc.oneof({ weight: 6, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.constantFrom(0, 1, 16_383, 65_536, 200_000) })
const cuts = fc.array(fc.nat(400_000), { maxLength: 3 })

function body(framings: readonly Framing[]): fc.Arbitrary<BodyPlan> {
  return fc.record({
    framing: fc.constantFrom(...framings),
    size,
    borders: fc.array(fc.nat(200_000), { maxLength: 4 }),
    trailers: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(field, { maxLength: 2 }) }),
    key: fc.nat(0x7fffffff),
  })
}

const version = fc.constantFrom('1.1', '1.1', '1.1', '1.0')

const exchange: fc.Arbitrary<ExchangePlan> = fc.record({
  version,
  responseVersion: version,
  method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'),
  target: fc.constantFrom('/', '/a?v=6&v=7&x=%20', '/a//b/../c?', '/%E2%82%AC?"quoted"', `/${'p'.repeat(2000)}`),
  requestHeaders: fields,
  request: body(['none', 'length', 'chunked']),
  requestCuts: cuts,
  pace: fc.constantFrom('at once', 'at once', 'at once', 'continue', 'early'),
  pipelined: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  hints: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(fields, { maxLength: 2 }) }),
  status: fc.constantFrom(200, 200, 200, 201, 204, 206, 301, 304, 307, 400, 401, 404, 429, 500, 503, 599),
  reason: fc.constantFrom('OK', '', 'Because I say so'),
  responseHeaders: fields,
  response: body(['length', 'length', 'chunked', 'chunked', 'close']),
  responseCuts: cuts,
})

export const httpPlan: fc.Arbitrary<HttpPlan> = fc.record({
  exchanges: fc.array(exchange, { minLength: 1, maxLength: 4 }),
  ending: fc.record({
    by: fc.constantFrom('client', 'server'),
    how: fc.constantFrom('fin', 'rst'),
    when: fc.constantFrom('after', 'after', 'in the request', 'before the response', 'in the response'),
  }),
})

/** True for a response that has no body, whatever its head says (RFC 9112 §6.3). */
export function isBodiless({ method, status }: ExchangePlan): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}

/** The header that announces the body, if one does. */
export function framingHeader({ framing, size }: BodyPlan): readonly (readonly [string, string])[] {
  if (framing === 'length') return [['Content-Length', String(size)]]
  if (framing === 'chunked') return [['Transfer-Encoding', 'chunked']]
  return framing === 'close' ? [['Connection', 'close']] : []
}

/** The bytes behind the head. */
export function framed(plan: BodyPlan): Buffer {
  const { framing, size, borders, trailers, key } = plan
  if (framing === 'none') return Buffer.alloc(0)
  const whole = content(size, key)
  if (framing !== 'chunked') return whole
  const at = [...new Set([...borders.map(border => border % (size + 1)), size])].sort((a, b) => a - b)
  const parts: Buffer[] = []
  let from = 0
  for (const to of at) {
    if (to > from) parts.push(Buffer.from(`${(to - from).toString(16)}\r\n`), whole.subarray(from, to), Buffer.from('\r\n'))
    from = to
  }
  return Buffer.concat([...parts, Buffer.from(`0\r\n${headerText(trailers)}\r\n`, 'latin1')])
}

export function headerText(headers: readonly (readonly [string, string])[]): string {
  return headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
}
