import type { SecureContextOptions } from 'node:tls'
import type { EnvOptions } from './child/children.ts'
import type { Codec } from './codec.ts'
import type { Connection } from './connection.ts'
import type { NetworkConditions, NetworkHandle, Outage, OutageOptions } from './fault/network-conditions.ts'
import type { Tap, TapOptions } from './io/tap.ts'
import type { Journal } from './journal/journal.ts'
import type { RequestRule } from './rule/request-rule.ts'
import type { HandshakeRule, MessageRule, Rule } from './rule/rule.ts'
import type { RuleSet } from './rule/rule-set.ts'
import type { Message } from './message.ts'
import type { Scope } from './scope.ts'
import type { StreamDeclaration } from './stream/declaration.ts'

/** Something that must fail the test it belongs to: a rule's function that threw, a decision that never came, a codec that broke. */
export interface EngineFailure {
  readonly scope: Scope
  readonly rule: Rule | undefined
  readonly message: Message | undefined
  readonly error: Error
}

/** A connection that a client of an ended scope tried to open, or left open. */
export interface Leak {
  readonly scope: Scope
  readonly host: string
  readonly port: number
  /** Stack of the call that opened it. */
  readonly stack: string | undefined
}

export interface ProxyOptions {
  /** Turns payloads into messages. @default binary: every payload is its own bytes */
  codec?: Codec<never> | Codec<unknown>
  /** HTTP exchanges that carry messages, beside those that the codec declares; the first declaration that matches counts. @default [] */
  streams?: readonly (StreamDeclaration<never> | StreamDeclaration<unknown>)[]
  /** Host name (or `host:port`) → http(s) URL of the server that stands in for it. @default {} */
  route?: Readonly<Record<string, string>>
  /**
   * Host name (or `host:port`) → `false` tunnels that host untouched, `true` looks into it in spite of `bypass`; 'none' tunnels every host.
   * @default every host is intercepted
   */
  intercept?: 'none' | Readonly<Record<string, boolean>>
  /**
   * Hosts that are tunnelled untouched, as `NO_PROXY` names them: `host`, `.suffix` for all hosts below it, addresses, subnets such as
   * `10.0.0.0/8`, `*`, each with `:port` where only that is meant. @default []
   */
  bypass?: string | readonly string[]
  /**
   * URL of the proxy that the engine's own connections go through, but those to this machine: `http://user:password@host:port` (CONNECT) or
   * `socks5://…`, which are given names, not addresses. @default none
   */
  upstreamProxy?: string
  /** 'real' dials what the client meant; 'none' refuses whatever no rule answers; a URL sends every host there. @default 'real' */
  upstream?: 'real' | 'none' | (string & {})
  /** Bytes of payload that the journal keeps; over it the oldest go, never the counts. @default 64 MiB */
  journalLimit?: number
  /** Bytes that may queue behind a hold, per connection and direction, before reading stops. @default 16 MiB */
  holdLimit?: number
  /** ms that a handler may take. @default 5000 */
  decisionTimeout?: number | ((rule: MessageRule | RequestRule) => number)
  /** Everything random draws from it. @default from the clock */
  seed?: number
  /**
   * What delays, latencies and timeouts of rules are measured by, and the times of the journal: 'test' follows the fake timers of a test
   * while they are installed. @default 'real'
   */
  clock?: 'real' | 'test'
  /**
   * The authority that signs the leaves: its certificate and key, in PEM, or the hosts that one of this proxy's own vouches for, each with
   * those below it; TLS with others is tunnelled. @default one of this proxy's own, for every host
   */
  authority?: { readonly cert: string; readonly key: string } | { readonly names: readonly string[] }
  /**
   * Where the proxy's port binds; other hosts than a loopback address are let in with credentials only.
   * @default 127.0.0.1, at a port of the system's choice, once a URL is asked for
   */
  listen?: { readonly host?: string; readonly port?: number }
  /** Capture this process's own connections. @default true */
  capture?: boolean
  /** Traffic outside any scope belongs to the root scope instead of being relayed unseen. @default false */
  adoptUnscoped?: boolean
  onFailure?: (failure: EngineFailure) => void
  onLeak?: (leak: Leak) => void
}

/** How the URL of a proxy says whose traffic it is. */
export interface ProxyUrlOptions {
  /**
   * `true` names the scope by credentials, `http://token:x@127.0.0.1:port`, on the one port of the proxy; `false` by a port of its own, which
   * every client can use, and which is gone when the scope ends. @default false; true where `listen` is no loopback address
   */
  readonly credentials?: boolean
}

export interface TransparentOptions {
  /** @default of the system's choice */
  readonly port?: number
}

/** How a URL stands for another. */
export interface UrlForOptions {
  /** Port that it names. @default one of the system's choice */
  readonly port?: number
}

/** What `startProxy` returns: what you hold is running; disposing it stops it and waits until its ports are free. */
export interface ProxyEngine extends AsyncDisposable {
  readonly journal: Journal
  readonly rules: RuleSet
  readonly root: Scope
  readonly codec: Codec<unknown>
  readonly seed: number
  /** True once something random was drawn from the seed, such as the masking key of a message of Midwire's own. */
  readonly isSeedUsed: boolean
  /** A seed of its own for these keys, drawn from the proxy's, which has mattered from then on. */
  deriveSeed(...keys: readonly (string | number)[]): number
  /** Every WebSocket since the start, closed ones included, in the order of their handshakes. */
  readonly connections: readonly Connection[]
  /** The CA certificate, in PEM, for clients that must be told. */
  readonly certificate: string
  /** `http://127.0.0.1:port`: an HTTP proxy (absolute form, CONNECT). */
  readonly url: string
  /** The HTTP proxy whose traffic belongs to `scope`. @default root */
  proxyUrl(scope?: Scope, options?: ProxyUrlOptions): string
  /** `socks5h://127.0.0.1:port`: the same port spoken to in SOCKS 5; its traffic belongs to `scope`. @default root */
  socksUrl(scope?: Scope, options?: ProxyUrlOptions): string
  /** A loopback URL that stands for `url` and leads there through the engine; its traffic belongs to `scope`. @default root */
  urlFor(url: string, scope?: Scope, options?: UrlForOptions): string
  /**
   * Variables for the environment of a child process, which send its traffic through this proxy and let it trust the authority: it belongs to
   * `scope`. The files that they name are there until the proxy is stopped. @default root
   */
  env(scope?: Scope, options?: EnvOptions): Record<string, string>
  /**
   * What process `pid`, on Node and started with `env()` of any scope, opens from now on is the scope's, until the claim is disposed.
   *
   * @throws MidwireError MIDWIRE_CAPTURE if it was not started so
   */
  claimProcess(pid: number, scope: Scope): Disposable
  /**
   * A loopback port for connections that a packet filter redirects, whose traffic belongs to `scope`. @default root
   *
   * @throws MidwireError MIDWIRE_BAD_USE if the port cannot be bound
   */
  transparentPort(scope?: Scope, options?: TransparentOptions): number
  /** Key and leaf certificate for a host name, signed by this run's authority: for TLS servers of tests. */
  issue(host: string): Required<Pick<SecureContextOptions, 'key' | 'cert'>>
  /** ms since the proxy started. */
  now(): number
  /**
   * Makes the network of `scope` what the conditions say, until the handle is disposed or the scope ends. What is random in them follows
   * from the seed and `key`. @default `key`: the scope's name
   */
  changeNetwork(scope: Scope, conditions: NetworkConditions, key?: string): NetworkHandle
  /** Takes the network away from `scope`, until it is given back or the scope ends. */
  goOffline(scope: Scope, options?: OutageOptions): Outage
  /** Hands the bytes of every upgraded connection to `tap`, from the next one on, until it is disposed. It never holds up the traffic. */
  tap(tap: Tap, options?: TapOptions): Disposable
  openScope(name: string, parent?: Scope): Scope
  /** Runs `fn` with `scope` as the scope of what it opens (AsyncLocalStorage). */
  run<T>(scope: Scope, fn: () => T): T
  currentScope(): Scope | undefined
  /** The connections whose handshake this `hold` rule holds now, oldest first; the journal's followers are told of each change. */
  heldBy(rule: HandshakeRule): readonly Connection[]
  /** Lets a held handshake go on; nothing happens if it is not held any more. */
  releaseHandshake(connection: Connection): void
  /** Releases what is held, in order, closes the scope's connections (1001, then FIN), and refuses its later ones. */
  endScope(scope: Scope): Promise<void>
  close(): Promise<void>
}
