import { startProxy } from '@midwire/proxy'
import type { ProxyEngine, Scope } from '@midwire/proxy'
import { checkFunction } from './bad-input.ts'
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
 * acted, functions of rules that failed. Where the block has thrown an error that is not Midwire's, a `SuppressedError` holds both;
 * `withInterceptionProxy` lets that error through as it is, for runners that do not print what a `SuppressedError` holds.
 *
 * @throws MidwireError MIDWIRE_BAD_INPUT on an unknown option or a value that cannot be meant
 */
export async function startInterceptionProxy<T = Uint8Array>(options: InterceptionOptions<T> = {}): Promise<StartedProxy<T>> {
  checkSettings(options, 'startInterceptionProxy()')
  const { control, engine } = await start(options)
  let disposed: Promise<void> | undefined
  return Object.assign(control.proxy, {
    // A wait that failed is the test's own error: what follows from it would only stand in front of it.
    [Symbol.asyncDispose]: () => (disposed ??= finish(control, engine, control.hasFailed(engine.root))),
  })
}

/**
 * Runs `fn` with a proxy that stops when `fn` ends, and throws what `fn` throws, or else what must fail the test.
 *
 * @throws MidwireError MIDWIRE_BAD_INPUT on an unknown option or a value that cannot be meant
 */
export async function withInterceptionProxy<T, R>(
  options: InterceptionOptions<T>,
  fn: (proxy: InterceptionProxy<T>) => R | Promise<R>,
): Promise<R> {
  checkSettings(options, 'withInterceptionProxy()')
  checkFunction(fn, 'withInterceptionProxy(options, fn)')
  const { control, engine } = await start(options)
  let result: R
  try {
    result = await fn(control.proxy)
  } catch (error) {
    await finish(control, engine, true)
    throw error
  }
  await finish(control, engine, false)
  return result
}

async function start<T>(options: InterceptionOptions<T>): Promise<{ control: ProxyControl<T>; engine: ProxyEngine }> {
  const control = new ProxyControl<T>(loneHost, options)
  const engine = await startProxy({ ...control.engineOptions(), adoptUnscoped: true })
  control.bind(engine)
  control.adoptScope(engine.root, 'test')
  return { control, engine }
}

async function finish<T>(control: ProxyControl<T>, engine: ProxyEngine, failed: boolean): Promise<void> {
  const errors = await control.finishScope(engine.root, { failed })
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
