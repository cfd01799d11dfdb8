import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { countAsOwn, ProxyControl } from '@midwire/sdk'
import type { Codec, Host, InterceptionOptions, InterceptionProxy } from '@midwire/sdk'
import { startProxy } from '@midwire/proxy'
import type { ProxyEngine, ProxyOptions, Scope } from '@midwire/proxy'
import { controlCodec } from './control-codec.ts'

// Who declares and waits is no part of this process: nothing of it may look like the caller's line.
countAsOwn(import.meta.dirname)
countAsOwn(dirname(fileURLToPath(import.meta.resolve('@midwire/proxy'))))

/** What of the engine is set for all sessions. */
export interface DeskOptions extends Pick<
  InterceptionOptions,
  'route' | 'intercept' | 'bypass' | 'upstreamProxy' | 'upstream' | 'seed' | 'journalLimit'
> {
  /** Turns payloads into the values that matches and rules speak of. @default JSON objects and arrays; other text as strings, binary as bytes */
  readonly codec?: Codec<unknown>
  /** What else the engine is told. */
  readonly engine?: Pick<ProxyOptions, 'authority' | 'listen'>
}

/** Questions have time limits of their own. */
const never = 2_147_483_647

/** The one proxy of a control server: each session has a scope of its own on it. */
export class ControlDesk implements AsyncDisposable {
  readonly engine: ProxyEngine
  readonly #control: ProxyControl<unknown>
  /** Of processes that no session has claimed: nobody sees their traffic. */
  readonly #unclaimed: Scope

  private constructor(engine: ProxyEngine, control: ProxyControl<unknown>) {
    this.engine = engine
    this.#control = control
    control.bind(engine)
    this.#unclaimed = engine.openScope('unclaimed')
  }

  /** For processes that a session may claim later on, by their process id. */
  env(): Record<string, string> {
    return this.engine.env(this.#unclaimed)
  }

  static async start({ codec, engine: own = {}, ...options }: DeskOptions = {}): Promise<ControlDesk> {
    const control = new ProxyControl<unknown>(host, { ...options, codec: controlCodec(codec), decisionTimeout: never })
    // This process has no traffic to intercept but that of others.
    return new ControlDesk(await startProxy({ ...control.engineOptions(), ...own, capture: false }), control)
  }

  open(name: string): Scope {
    return this.#control.openScope(name, 'test')
  }

  /** Runs `fn` with the proxy as the words of `scope` know it. */
  run<R>(scope: Scope, fn: (proxy: InterceptionProxy<unknown>) => R): R {
    return this.engine.run(scope, () => fn(this.#control.proxy))
  }

  /** As `run`, for what declares a rule: one that came to nothing leaves nothing behind that would have to be brought to an end. */
  declare<R>(scope: Scope, fn: (proxy: InterceptionProxy<unknown>) => R): R {
    const { lineages, owed } = this.#control.stateOf(scope)
    const [begun, owedBefore] = [lineages.length, new Set(owed.keys())]
    try {
      return this.run(scope, fn)
    } catch (error) {
      lineages.length = begun
      for (const run of owed.keys()) if (!owedBefore.has(run)) owed.delete(run)
      throw error
    }
  }

  /** The place in the journal of something that a wait has found. */
  placeOf(found: object): number | undefined {
    return this.#control.landmarks.lookUp(found, this.engine.journal)
  }

  /** Ends a scope; what must fail a test that it was the scope of, as texts. */
  async finish(scope: Scope): Promise<string[]> {
    const errors = await this.#control.finishScope(scope, { failed: false })
    return errors.map(({ message }) => message)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close()
  }
}

/** Who asks is told by the scope that it runs in; there are no deadlines but those that are asked for. */
const host: Host = {
  currentScope: engine => engine.currentScope(),
  timeLeft: () => undefined,
  testName: scope => scope.name,
  lateFailure: (_scope, error) => process.emitWarning(error),
  warn: (_scope, text) => process.emitWarning(text),
}
