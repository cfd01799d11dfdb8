import type { Connection, EnvOptions, Exchange, Journal, ProxyEngine, TrafficEvent } from '@midwire/proxy'
import { callerError } from './bad-input.ts'
import { browserContextOptions, browserLaunchOptions } from './browser-options.ts'
import type { BrowserContextOptions, BrowserLaunchOptions } from './browser-options.ts'
import { ClientView } from './client-view.ts'
import type { ConnectMatch, ConnectPredicate } from './matching.ts'
import type { ProxyDesk } from './proxy-desk.ts'
import { NetworkWords } from './network-words.ts'

/** Where the matchers of test runners find what a proxy knows; the same for every copy of this package. */
export const inside: unique symbol = Symbol.for('midwire.inside')

/** What matchers need of a proxy. */
export interface Inside {
  readonly desk: ProxyDesk
  /** Whose traffic counts; `undefined`: everybody's. */
  readonly client: ClientView | undefined
}

/**
 * What test authors hold, made by `useInterceptionProxy()` or `startInterceptionProxy()`: declares rules, waits for traffic, and tells
 * what was seen. Usable in tests and hooks.
 */
export class InterceptionProxy<T = Uint8Array> extends NetworkWords<T> {
  /** For matchers. */
  get [inside](): Inside {
    return { desk: this.desk, client: this.view }
  }

  /**
   * The same, narrowed to one client of several: its rules act on connections, its waits see traffic, and its lists hold what belongs to
   * handshakes that match; of HTTP requests, those that say the same of themselves.
   *
   * @throws MidwireError MIDWIRE_BAD_INPUT on a match that tells no client from another
   */
  client(match: ConnectMatch | ConnectPredicate): InterceptionProxy<T> {
    return new InterceptionProxy<T>(this.desk, new ClientView(match, this.view))
  }

  // What was seen

  /** The only open connection. @throws MidwireError MIDWIRE_BAD_USE if there is none, or several, listing them */
  get connection(): Connection {
    const all = this.connections
    const [only, ...more] = all.filter(({ state }) => state === 'open')
    if (only && more.length === 0) return only
    const list = all.map(({ id, url, state }) => `\n  connection ${id}  ${url}  ${state}`).join('')
    const seen = only ? `${more.length + 1} connections are open` : 'no connection is open'
    throw callerError(
      'MIDWIRE_BAD_USE',
      `${this.view ? `${this.view.text}.` : 'proxy.'}connection: ${seen}; expected exactly one. Await proxy.waitForConnection(…) to say which.${list}`,
    )
  }

  /** The connections of this test and of the blocks around it, closed ones included, in the order of their handshakes. */
  get connections(): readonly Connection[] {
    const { scope } = this.desk.state()
    const client = this.view
    return this.desk
      .engine()
      .connections.filter(connection => scope.isRelatedTo(connection.scope) && (client === undefined || client.covers(connection)))
  }

  /** The HTTP exchanges of this test, in order. */
  get requests(): readonly Exchange[] {
    const client = this.view
    return [...this.#events()].flatMap(event =>
      event.kind === 'request' && (client === undefined || client.coversExchange(event.exchange)) ? [event.exchange] : [],
    )
  }

  /**
   * The hosts that clients of this test asked to connect to, in order, refused ones included.
   *
   * @throws MidwireError MIDWIRE_BAD_USE for one client of several: a TCP connect does not tell whose it is
   */
  get hosts(): readonly string[] {
    if (this.view) {
      throw callerError(
        'MIDWIRE_BAD_USE',
        `${this.view.text}.hosts: a TCP connect does not tell whose it is; use proxy.hosts, or the host of each of its connections`,
      )
    }
    return [...this.#events()].flatMap(event => (event.kind === 'tcp' ? [event.host] : []))
  }

  /** Everything that the proxy has seen. */
  get journal(): Journal {
    return this.desk.engine().journal
  }

  /** What this test has seen and what its rules did, as in the text of a failure: for a look at the wire. */
  transcript(): string {
    return this.desk.transcript(this.desk.state().scope)
  }

  // Other ways in

  /** `http://127.0.0.1:port`: an HTTP proxy (absolute form, CONNECT) whose traffic belongs to this test. */
  get url(): string {
    const { scope } = this.desk.state()
    return this.desk.engine().proxyUrl(scope)
  }

  /** `socks5h://127.0.0.1:port`: the same port, spoken to in SOCKS 5; names are looked up by the proxy, where `route` knows them. */
  get socksUrl(): string {
    const { scope } = this.desk.state()
    return this.desk.engine().socksUrl(scope)
  }

  /** A loopback URL that stands for `url` and leads there; its traffic belongs to this test. @throws MidwireError on a URL that cannot be meant */
  urlFor(url: string | URL): string {
    const { scope } = this.desk.state()
    return this.desk.engine().urlFor(String(url), scope)
  }

  /**
   * Variables for the environment of a child process, whose traffic then belongs to this test: `spawn(command, { env: { ...process.env,
   * ...proxy.env() } })`. The files that they name are there as long as the proxy. @throws MidwireError on an option that cannot be meant
   */
  env(options?: EnvOptions): Record<string, string> {
    const { scope } = this.desk.state()
    return this.desk.engine().env(scope, options)
  }

  /** The CA certificate, in PEM, for clients outside this process. */
  get certificate(): string {
    return this.desk.engine().certificate
  }

  /** Key and certificate for a host name, for TLS servers of tests. */
  issue(host: string): ReturnType<ProxyEngine['issue']> {
    return this.desk.engine().issue(host)
  }

  /** For Playwright's `chromium.launch()`: the browser trusts this proxy's certificates, and no others that it would not trust anyway. */
  launchOptions(): BrowserLaunchOptions {
    return browserLaunchOptions(this.certificate)
  }

  /** For Playwright's `browser.newContext()`: all traffic of the context goes through the proxy, and belongs to this test. */
  contextOptions(): BrowserContextOptions {
    return browserContextOptions(this.url)
  }

  *#events(): Generator<TrafficEvent> {
    const { scope, startedAfter } = this.desk.state()
    yield* this.desk.engine().journal.read({ after: startedAfter, scope })
  }
}
