import type { ConnectAction, ConnectRule, HandshakeAction, HandshakeRule, RewritableHandshake } from '@midwire/proxy'
import { badInput, checkFunction, checkMs } from './bad-input.ts'
import type { ClientView } from './client-view.ts'
import { handshakeMatch, targetMatch } from './match-input.ts'
import type { ConnectMatch, ConnectPredicate } from './matching.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuleBuilder, ruleParts } from './rule-draft.ts'
import type { Draft } from './rule-draft.ts'
import { ConnectRuleHandle } from './rule-handle.ts'
import { HandshakeHoldHandle } from './handshake-hold-handle.ts'

/** Header names and their values; an array repeats the header. */
export type ResponseHeaders = Readonly<Record<string, string | number | readonly string[]>>

/** A rule on TCP connects or WebSocket handshakes, on its way to its verb. */
export class ConnectRuleBuilder<T> extends RuleBuilder<ConnectRuleBuilder<T>, T> {
  readonly #match: ConnectMatch | ConnectPredicate | undefined
  readonly #client: ClientView | undefined

  /** `client`: whose connects and handshakes; `undefined`: everybody's. */
  constructor(desk: RuleDesk, match: ConnectMatch | ConnectPredicate | undefined, draft: Draft, client: ClientView | undefined) {
    super(desk, draft)
    this.#match = match
    this.#client = client
  }

  protected override derive(draft: Draft): ConnectRuleBuilder<T> {
    return new ConnectRuleBuilder(this.desk, this.#match, draft, this.#client)
  }

  /** The connect fails with ECONNREFUSED, before a byte is read. */
  refuse(): ConnectRuleHandle {
    return this.#connect('refuse()', { kind: 'refuse' })
  }

  /** The host name does not resolve: ENOTFOUND. */
  failDns(): ConnectRuleHandle {
    return this.#connect('failDns()', { kind: 'failDns' })
  }

  /** The connect neither succeeds nor fails. */
  timeout(): ConnectRuleHandle {
    return this.#connect('timeout()', { kind: 'timeout' })
  }

  /**
   * Answers the upgrade request with an HTTP response; upstream never sees it.
   *
   * @param body text, bytes, or a value that is sent as JSON with its content type
   * @throws MidwireError unless the status is one that ends an exchange (200 to 599)
   */
  respondWith(status: number, body?: unknown, headers?: ResponseHeaders): ConnectRuleHandle {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw badInput(`respondWith(status): expected a status from 200 to 599, got ${String(status)}`)
    }
    return this.#handshake({ kind: 'respondWith', status, ...responseParts(body, headers) })
  }

  /** The upgrade is not answered until the handle lets it go, the rule is disposed or the test ends. */
  hold(): HandshakeHoldHandle {
    return new HandshakeHoldHandle(this.desk, this.#handshakeRule({ kind: 'hold' }), this.draft.until)
  }

  /** Sends the upgrade to another server; the client still means the first. @throws MidwireError unless a ws, wss, http or https URL */
  redirect(url: string | URL): ConnectRuleHandle {
    const text = String(url)
    if (!URL.canParse(text) || !/^(?:ws|http)s?:$/.test(new URL(text).protocol)) {
      throw badInput(`redirect(url): expected a ws:, wss:, http: or https: URL, got "${text}"`)
    }
    return this.#handshake({ kind: 'redirect', url: text })
  }

  /** Ends the handshake with RST, unanswered. */
  reset(): ConnectRuleHandle {
    return this.#handshake({ kind: 'reset' })
  }

  /** Passes the upgrade request on `ms` after it arrived. @throws MidwireError unless 0 or more */
  delay(ms: number): ConnectRuleHandle {
    checkMs(ms, 'delay(ms)')
    return this.#handshake({ kind: 'delay', ms })
  }

  /** Changes path, query or headers of the upgrade request before upstream sees it. */
  rewrite(fn: (request: RewritableHandshake) => void): ConnectRuleHandle {
    checkFunction(fn, 'rewrite(fn)')
    return this.#handshake({ kind: 'rewrite', fn })
  }

  /** Agrees to the handshake with no upstream, and sends these messages first. */
  accept(...firstMessages: readonly T[]): ConnectRuleHandle {
    for (const message of firstMessages)
      if (message === undefined) throw badInput('accept(...firstMessages): expected values to send, got undefined')
    return this.#handshake({ kind: 'accept', messages: Object.freeze(firstMessages) })
  }

  #connect(verb: string, action: ConnectAction): ConnectRuleHandle {
    const own = targetMatch(this.#match, verb)
    const match = this.#client?.onTargets(own, verb) ?? own
    const { from: _, ...rest } = ruleParts(this.draft)
    const origin = this.desk.declare(this.draft)
    const rule: ConnectRule = Object.freeze({
      on: 'connect',
      ...rest,
      ...origin,
      match,
      action: Object.freeze(action),
    })
    return new ConnectRuleHandle(this.desk, rule, this.draft.until)
  }

  #handshake(action: HandshakeAction): ConnectRuleHandle {
    return new ConnectRuleHandle(this.desk, this.#handshakeRule(action), this.draft.until)
  }

  #handshakeRule(action: HandshakeAction): HandshakeRule {
    const own = handshakeMatch(this.#match)
    const match = this.#client?.onHandshakes(own) ?? own
    const { from: _, ...rest } = ruleParts(this.draft)
    const origin = this.desk.declare(this.draft)
    return Object.freeze({ on: 'handshake', ...rest, ...origin, match, action: Object.freeze(action) })
  }
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

function responseParts(body: unknown, headers: ResponseHeaders = {}): { body: Uint8Array; headers: readonly string[] } {
  if (headers === null || typeof headers !== 'object' || Array.isArray(headers)) {
    throw badInput('respondWith(status, body, headers): expected headers as an object of names and values')
  }
  const flat = Object.entries(headers).flatMap(([name, value]) => {
    if (!token.test(name)) throw badInput(`respondWith(): "${name}" is no header name (RFC 9110 §5.1)`)
    const values = Array.isArray(value) ? value : [value]
    return values.flatMap(text => {
      // A line break would start another header.
      if (/[\r\n\0]/.test(String(text))) throw badInput(`respondWith(): the value of "${name}" has a line break or NUL (RFC 9110 §5.5)`)
      return [name, String(text)]
    })
  })
  const has = (name: string): boolean => flat.some((text, index) => index % 2 === 0 && text.toLowerCase() === name)
  const bytes = bytesOf(body)
  if (!(body instanceof Uint8Array) && body !== undefined && body !== null && !has('content-type')) {
    flat.push('Content-Type', typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json')
  }
  return { body: bytes, headers: Object.freeze(flat) }
}

function bytesOf(body: unknown): Uint8Array {
  if (body === undefined || body === null) return new Uint8Array(0)
  if (body instanceof Uint8Array) return body
  if (typeof body === 'string') return Buffer.from(body)
  const json = JSON.stringify(body)
  if (json === undefined) throw badInput(`respondWith(status, body): expected text, bytes or a JSON value, got ${typeof body}`)
  return Buffer.from(json)
}
