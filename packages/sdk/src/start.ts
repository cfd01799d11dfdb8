import { startProxy } from '@midwire/proxy'
import type { ProxyEngine, Scope } from '@midwire/proxy'
import type { Host } from './host.ts'
import type { InterceptionProxy } from './interception-proxy.ts'
import { ProxyControl } from './proxy-control.ts'
import { checkSettings } from './settings.ts'
import type { InterceptionOptions } from './settings.ts'

/** An `InterceptionProxy` that runs until it is disposed. */
export type StartedProxy<T> = InterceptionProxy<T> & AsyncDisposable

/**
 * Starts a proxy for any test runner: `await using proxy = await startInterceptionProxy({ codec: json() })`. From then on all traffic of
 * the process goes through it and belongs to it. Disposing it closes what is open, and throws what must fail the test: rules that never
 * acted, functions of rules that failed.
 *
 * @throws MidwireError MIDWIRE_BAD_INPUT on an unknown option or a value that cannot be meant
 */
export async function startInterceptionProxy<T = Uint8Array>(options: InterceptionOptions<T> = {}): Promise<StartedProxy<T>> {
  checkSettings(options, 'startInterceptionProxy()')
  const control = new ProxyControl<T>(loneHost, options)
  const engine = await startProxy({ ...control.engineOptions(), adoptUnscoped: true })
  control.bind(engine)
  control.adoptScope(engine.root, 'test')
  let disposed: Promise<void> | undefined
  return Object.assign(control.proxy, {
    [Symbol.asyncDispose]: () => (disposed ??= finish(control, engine)),
  })
}

async function finish<T>(control: ProxyControl<T>, engine: ProxyEngine): Promise<void> {
  // A wait that failed is the test's own error: what follows from it would only stand in front of it.
  const errors = await control.finishScope(engine.root, { failed: control.hasFailed(engine.root) })
  await engine.close()
  const [first, ...more] = errors
  if (first === undefined) return
  if (more.length === 0) throw first
  throw new AggregateError(errors, errors.map(error => error.message).join('\n'))
}

/** No runner: one scope, no deadline. */
const loneHost: Host = {
  currentScope: (engine: ProxyEngine): Scope => engine.currentScope() ?? engine.root,
  timeLeft: () => undefined,
  testName: () => undefined,
  lateFailure: (_scope, error) => process.emitWarning(error),
  warn: (_scope, text) => process.emitWarning(text),
}
