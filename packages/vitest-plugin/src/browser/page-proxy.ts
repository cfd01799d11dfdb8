import { startProxy } from '@midwire/proxy'
import type { Codec, ProxyEngine, Scope } from '@midwire/proxy'
import type { KeyPair } from '@midwire/proxy/authority'
import {
  binary,
  checkConnected,
  checkReceived,
  checkRequested,
  checkSent,
  checkSentInOrder,
  checkSettings,
  json,
  ProxyControl,
  text,
} from '@midwire/sdk'
import type { CheckResult, Host, InterceptionOptions, InterceptionProxy } from '@midwire/sdk'

/** What must fail a test, block or file of the page, and what was seen until then. */
export interface Reckoning {
  readonly errors: readonly Error[]
  readonly transcript: string
}

/** A scope that is open, and the code of the page that runs in it. */
interface Inner {
  readonly scope: Scope
  /** Of a test. */
  readonly name: string | undefined
  inBody: boolean
}

/** The proxy of a page: what `useInterceptionProxy()` drives from there, one coverage after the other. */
export class PageProxy {
  readonly #authority: KeyPair | undefined
  readonly #lead: (port: number | undefined) => void
  readonly #left: () => number | undefined
  #control: ProxyControl<unknown> | undefined
  #engine: ProxyEngine | undefined
  #inner: Inner[] = []
  #late: Error[] = []

  /** `lead`: where the page's connections go from then on; `left`: ms until what runs in the page is given up. */
  constructor(authority: KeyPair | undefined, lead: (port: number | undefined) => void, left: () => number | undefined) {
    this.#authority = authority
    this.#lead = lead
    this.#left = left
  }

  /** The proxy of the coverage that is open. */
  get proxy(): InterceptionProxy<unknown> {
    if (!this.#control) throw new Error('no coverage is open')
    return this.#control.proxy
  }

  async open(options: InterceptionOptions<unknown>): Promise<void> {
    await this.close()
    const settings = withOwnCodec(options)
    checkSettings(settings, 'useInterceptionProxy()')
    const control = new ProxyControl<unknown>(this.#host, settings)
    const authority = this.#authority
    const engine = await startProxy({ ...control.engineOptions(), capture: false, adoptUnscoped: true, ...(authority && { authority }) })
    control.bind(engine)
    control.adoptScope(engine.root, 'block')
    this.#control = control
    this.#engine = engine
    this.#enter(engine.root, undefined)
  }

  async close(): Promise<readonly Error[]> {
    this.#lead(undefined)
    this.#inner = []
    await this.#engine?.close()
    this.#control?.unbind()
    this.#control = undefined
    this.#engine = undefined
    return this.#late.splice(0)
  }

  beginBlock(name: string): void {
    this.#enter(this.#open.openScope(name, 'block', this.#here), undefined)
  }

  /** The innermost block is over; the file itself is the outermost. */
  endBlock(): Promise<Reckoning> {
    return this.#end(false)
  }

  beginTest(name: string): void {
    this.#enter(this.#open.openScope(name, 'test', this.#here), name)
  }

  /** What runs from now on is the test's own function, and no hook. */
  enterBody(): void {
    const inner = this.#inner.at(-1)
    if (inner) inner.inBody = true
  }

  endTest(failed: boolean): Promise<Reckoning> {
    return this.#end(failed)
  }

  /** What a matcher of this name says of the proxy. */
  check(name: string, proxy: unknown, args: readonly unknown[], isNot: boolean): Omit<CheckResult, 'message'> & { readonly text: string } {
    const { message, ...result } = checks[name]?.(proxy, args, { isNot }) ?? { pass: isNot, message: () => `no matcher ${name}` }
    return { ...result, text: message() }
  }

  get #open(): ProxyControl<unknown> {
    if (!this.#control) throw new Error('no coverage is open')
    return this.#control
  }

  get #here(): Scope | undefined {
    return this.#inner.at(-1)?.scope
  }

  #enter(scope: Scope, name: string | undefined): void {
    this.#inner.push({ scope, name, inBody: false })
    this.#leadTo(scope)
  }

  #leadTo(scope: Scope | undefined): void {
    const url = scope && this.#engine?.proxyUrl(scope)
    this.#lead(url === undefined ? undefined : Number(new URL(url).port))
  }

  async #end(failed: boolean): Promise<Reckoning> {
    const inner = this.#inner.at(-1)
    if (!inner) throw new Error('no scope is open')
    const errors = await this.#open.finishScope(inner.scope, { failed })
    const transcript = this.#open.transcript(inner.scope)
    this.#inner = this.#inner.filter(one => one !== inner)
    this.#leadTo(this.#inner.at(-1)?.scope)
    return { errors: [...errors, ...this.#late.splice(0)], transcript }
  }

  readonly #host: Host = {
    // Nothing tells the tests of a page apart but that one runs at a time.
    currentScope: () => this.#here,
    timeLeft: () => this.#left(),
    testName: scope => this.#inner.find(one => one.scope === scope)?.name,
    inHook: scope => this.#inner.find(one => one.scope === scope)?.inBody !== true,
    lateFailure: (_scope, error) => void this.#late.push(error),
    warn: (_scope, line) => console.warn(line),
  }
}

type Check = (proxy: unknown, args: readonly unknown[], options: { readonly isNot: boolean }) => CheckResult

const checks: Readonly<Record<string, Check>> = {
  toHaveSent: (proxy, [match], options) => checkSent(proxy, match, options),
  toHaveReceived: (proxy, [match], options) => checkReceived(proxy, match, options),
  toHaveSentInOrder: (proxy, [matches], options) => checkSentInOrder(proxy, matches as readonly unknown[], options),
  toHaveRequested: (proxy, [match], options) => checkRequested(proxy, match, options),
  toHaveConnected: (proxy, args, options) => checkConnected(proxy, args, options),
}

const own: Readonly<Record<string, () => Codec<never> | Codec<unknown>>> = { json: () => json(), text, binary }

/** Codecs that are here too need not ask the page for each message. */
function withOwnCodec(options: InterceptionOptions<unknown>): InterceptionOptions<unknown> {
  const name = options.codec?.name
  const here = name === undefined ? undefined : own[name]
  return here ? { ...options, codec: here() } : options
}
