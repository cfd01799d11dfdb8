import { startProxy } from '@midwire/proxy'
import type { ProxyEngine, Scope, SourceLine } from '@midwire/proxy'
import { ProxyControl } from '@midwire/sdk'
import type { InterceptionOptions, InterceptionProxy } from '@midwire/sdk'
import { aroundAll, aroundEach } from 'vitest'
import type { RunnerTestCase, TestContext } from 'vitest'
import { authorityOfRun } from './authority-of-run.ts'
import { whenBodyBegins, wrapInnerBlocks } from './suite-hooks.ts'
import type { Block } from './suite-hooks.ts'
import { TestClock } from './test-clock.ts'
import { VitestHost } from './vitest-host.ts'
import { annotate, tellsItself } from './wire-annotation.ts'

/** A file or block that a proxy covers: its engine runs while the block does, and each block and test in it has a scope of its own. */
export class Coverage<T> {
  /** Where `useInterceptionProxy()` was called. */
  readonly at: SourceLine
  readonly options: InterceptionOptions<T>
  readonly #host = new VitestHost()
  readonly #control: ProxyControl<T>
  #running: ProxyEngine | undefined

  constructor(options: InterceptionOptions<T>, at: SourceLine) {
    this.options = options
    this.at = at
    this.#control = new ProxyControl<T>(this.#host, options)
  }

  get proxy(): InterceptionProxy<T> {
    return this.#control.proxy
  }

  /** Registers the hooks of the block that vitest collects now. */
  register(): void {
    // vitest reads the names of fixtures from the second parameter, and takes only a pattern there.
    // oxlint-disable-next-line no-empty-pattern
    aroundAll((run, {}, block) => this.#coverBlock(run, block))
    aroundEach((run, context) => this.#coverTest(run, context))
  }

  async #coverBlock(run: () => Promise<void>, block: Block): Promise<void> {
    const authority = authorityOfRun()
    const engine = await startProxy({ ...this.#control.engineOptions(), ...(authority && { authority }) })
    this.#control.bind(engine)
    this.#running = engine
    try {
      this.#control.adoptScope(engine.root, 'block')
      await this.#runBlock(run, block, engine, engine.root)
    } finally {
      await engine.close()
      this.#control.unbind()
      this.#running = undefined
    }
    throwAll(this.#host.takeLateFailures())
  }

  async #runBlock(run: () => Promise<void>, block: Block, engine: ProxyEngine, scope: Scope): Promise<void> {
    wrapInnerBlocks(block, (runInner, inner) => {
      return this.#runBlock(runInner, inner, engine, this.#control.openScope(inner.name, 'block', scope))
    })
    await engine.run(scope, run)
    const errors = await this.#control.finishScope(scope, { failed: false })
    throwAll([...errors, ...this.#host.takeLateFailures()])
  }

  /** One attempt of a test. */
  async #coverTest(run: () => Promise<void>, context: TestContext): Promise<void> {
    const { task } = context
    const engine = this.#running
    if (!engine) return run()
    const scope = this.#control.openScope(task.name, 'test', engine.currentScope() ?? engine.root)
    const clock = new TestClock(task)
    whenBodyBegins(task, () => clock.bodyBegins())
    this.#host.enter(scope, { name: task.name, clock })
    await engine.run(scope, run)
    const errors = await this.#control.finishScope(scope, { failed: hasEnded(task) })
    errors.push(...this.#host.takeLateFailures())
    const failed = task.result?.state === 'fail'
    if (errors.length > 0 || (failed && !tellsItself(task))) await annotate(context, this.#control.transcript(scope))
    throwAll(errors)
  }
}

/** True for a test whose outcome stands, so that nothing of ours may be put on top: it failed, or was skipped while it ran. */
function hasEnded({ result }: RunnerTestCase): boolean {
  return result?.state === 'fail' || result?.state === 'skip'
}

function throwAll(errors: readonly Error[]): void {
  const [first, ...more] = errors
  if (first === undefined) return
  if (more.length === 0) throw first
  // vitest reports the errors of an AggregateError one by one.
  throw new AggregateError(errors, errors.map(error => error.message).join('\n'))
}
