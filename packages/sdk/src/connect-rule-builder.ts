import { isIP } from 'node:net'
import { tlsAlerts } from '@midwire/proxy'
import type {
  ConnectAction,
  ConnectRule,
  FalseCertificate,
  HandshakeAction,
  HandshakeRule,
  RewritableHandshake,
  TlsAlert,
} from '@midwire/proxy'
import { badInput, checkChoice, checkFunction, checkKeys, checkMs } from './bad-input.ts'
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

export interface AttemptOptions {
  /**
   * What the host name stands for: with several addresses, clients see the `AggregateError` of all attempts. @default one that nobody has
   * (192.0.2.1, RFC 5737), since no name is looked up; of an address, itself
   */
  readonly addresses?: readonly string[]
}

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
  refuse(options: AttemptOptions = {}): ConnectRuleHandle {
    return this.#connect('refuse()', { kind: 'refuse', ...addressesOf(options, [], 'refuse(options)') })
  }

  /** No way leads to the host: EHOSTUNREACH, or ENETUNREACH where there is no network at all. */
  unreachable(options: AttemptOptions & { readonly code?: 'EHOSTUNREACH' | 'ENETUNREACH' } = {}): ConnectRuleHandle {
    const addresses = addressesOf(options, ['code'], 'unreachable(options)')
    const { code = 'EHOSTUNREACH' } = options
    checkChoice(code, ['EHOSTUNREACH', 'ENETUNREACH'], 'unreachable({ code })')
    return this.#connect('unreachable()', { kind: 'unreachable', code, ...addresses })
  }

  /** The host name does not resolve: ENOTFOUND, or EAI_AGAIN where no name server answers. */
  failDns(options: { readonly code?: 'ENOTFOUND' | 'EAI_AGAIN' } = {}): ConnectRuleHandle {
    checkKeys(options, ['code'], 'failDns(options)')
    const { code = 'ENOTFOUND' } = options
    checkChoice(code, ['ENOTFOUND', 'EAI_AGAIN'], 'failDns({ code })')
    return this.#connect('failDns()', { kind: 'failDns', code })
  }

  /** The connect neither succeeds nor fails. */
  timeout(): ConnectRuleHandle {
    return this.#connect('timeout()', { kind: 'timeout' })
  }

  /** The connect succeeds, and the connection ends before a byte: with FIN, or with RST. @default 'fin' */
  hangUp(how: 'fin' | 'rst' = 'fin'): ConnectRuleHandle {
    checkChoice(how, ['fin', 'rst'], 'hangUp(how)')
    return this.#connect('hangUp()', { kind: 'hangUp', how })
  }

  /** The connect succeeds, and nothing comes: neither a TLS handshake nor an answer. */
  hang(): ConnectRuleHandle {
    return this.#connect('hang()', { kind: 'hang' })
  }

  /** The TLS handshake fails with a fatal alert, by its name in RFC 8446 §6.2. @default 'handshake_failure' */
  failTls(alert: TlsAlert = 'handshake_failure'): ConnectRuleHandle {
    checkChoice(alert, Object.keys(tlsAlerts), 'failTls(alert)')
    return this.#connect('failTls()', { kind: 'failTls', alert })
  }

  /**
   * The client is shown a certificate that it must not accept: 'expired', 'notYetValid', 'selfSigned', 'wrongHost', or 'untrusted' (of an
   * authority that nobody knows). A client that accepts it all the same goes on as ever.
   */
  presentCertificate(certificate: FalseCertificate): ConnectRuleHandle {
    const what = 'presentCertificate(certificate)'
    if (certificate === undefined)
      throw badInput(`${what}: expected one of ${certificates.map(one => `'${one}'`).join(', ')}, got undefined`)
    checkChoice(certificate, certificates, what)
    return this.#connect('presentCertificate()', { kind: 'presentCertificate', certificate })
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

  /** Ends the handshake with FIN, unanswered. */
  end(): ConnectRuleHandle {
    return this.#handshake({ kind: 'end' })
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

const certificates: readonly FalseCertificate[] = ['expired', 'notYetValid', 'selfSigned', 'wrongHost', 'untrusted']

function addressesOf(options: AttemptOptions, more: readonly string[], what: string): { addresses?: readonly string[] } {
  checkKeys(options, ['addresses', ...more], what)
  const { addresses } = options
  if (addresses === undefined) return {}
  if (Array.isArray(addresses) && addresses.length > 0 && addresses.every(address => isIP(String(address)) !== 0)) {
    return { addresses: Object.freeze([...addresses]) }
  }
  throw badInput(`${what}: expected addresses as a list of IP addresses, got ${JSON.stringify(addresses)}`)
}
