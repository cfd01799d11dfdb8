import { startProxy } from '@midwire/proxy'
import type { ProxyEngine, Scope } from '@midwire/proxy'
import type { InterceptionProxy } from '../interception-proxy.ts'
import { ProxyControl } from '../proxy-control.ts'
import type { InterceptionOptions } from '../settings.ts'
import { startEchoServer } from './scripted-server.ts'
import type { EchoServer } from './scripted-server.ts'

/** The host name that leads to the echo server. */
export const host = 'notes.example.com'
export const url: string = `wss://${host}/v1`

export interface TestRun {
  /** What `finishScope` returned. */
  readonly errors: readonly Error[]
  readonly scope: Scope
}

export interface FailedRun extends TestRun {
  /** What the function threw. */
  readonly thrown: Error
}

/** A small test runner on a real engine: runs functions as tests, each in a scope of its own. */
export interface TestBed<T> extends AsyncDisposable {
  readonly proxy: InterceptionProxy<T>
  readonly control: ProxyControl<T>
  readonly engine: ProxyEngine
  readonly server: EchoServer
  readonly warnings: readonly string[]
  readonly late: readonly Error[]
  /** Runs `fn` as a test, or as a block that others run in; throws what `fn` throws. */
  run(name: string, fn: (scope: Scope) => Promise<void>, options?: RunOptions): Promise<TestRun>
  /** Runs `fn`, which must throw, as a test. */
  runFailing(name: string, fn: (scope: Scope) => Promise<void>): Promise<FailedRun>
}

export interface RunOptions {
  readonly kind?: 'test' | 'block'
  readonly parent?: Scope
  readonly inHook?: boolean
}

export async function startTestBed<T>(options: InterceptionOptions<T>, timeLeft?: () => number): Promise<TestBed<T>> {
  const server = await startEchoServer()
  const warnings: string[] = []
  const late: Error[] = []
  let inHook = false
  const control = new ProxyControl<T>(
    {
      currentScope: engine => engine.currentScope(),
      timeLeft: () => timeLeft?.(),
      testName: scope => scope.name,
      inHook: () => inHook,
      lateFailure: (_scope, error) => void late.push(error),
      warn: (_scope, text) => void warnings.push(text),
    },
    { route: { [host]: server.url, 'other.example.com': server.url }, ...options },
  )
  const engine = await startProxy(control.engineOptions())
  control.bind(engine)
  return {
    proxy: control.proxy,
    control,
    engine,
    server,
    warnings,
    late,
    async run(name, fn, { kind = 'test', parent, inHook: hook = false } = {}) {
      const scope = control.openScope(name, kind, parent)
      inHook = hook
      try {
        await engine.run(scope, () => fn(scope))
      } catch (error) {
        await control.finishScope(scope, { failed: true })
        throw error
      }
      return { scope, errors: await control.finishScope(scope, { failed: false }) }
    },
    async runFailing(name, fn) {
      const scope = control.openScope(name, 'test')
      const thrown = await engine
        .run(scope, () => fn(scope))
        .then(
          () => undefined,
          (error: unknown) => error,
        )
      const errors = await control.finishScope(scope, { failed: true })
      if (thrown instanceof Error) return { scope, errors, thrown }
      throw new Error(`"${name}" was to throw`)
    },
    async [Symbol.asyncDispose]() {
      await engine.close()
      await server[Symbol.asyncDispose]()
    },
  }
}
