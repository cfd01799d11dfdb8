import type { ConnectAction, ConnectRule, HandshakeAction, HandshakeRule, RewritableHandshake } from '@midwire/proxy'
import { badInput, checkFunction, checkMs } from './bad-input.ts'
import type { ClientView } from './client-view.ts'
import { handshakeMatch, targetMatch } from './match-input.ts'
import type { ConnectMatch, ConnectPredicate } from './matching.ts'
import { ownResponse } from './own-response.ts'
import type { ResponseHeaders } from './own-response.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuleBuilder, ruleParts } from './rule-draft.ts'
import type { Draft } from './rule-draft.ts'
import { ConnectRuleHandle } from './rule-handle.ts'
import { HandshakeHoldHandle } from './handshake-hold-handle.ts'

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
    const response = ownResponse('respondWith', status, body, headers)
    if (!(response.body instanceof Uint8Array))
      throw badInput('respondWith(status, body): a handshake is answered with text, bytes or JSON')
    return this.#handshake({ kind: 'respondWith', status, body: response.body, headers: response.headers })
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
