import type { InterceptionOptions, InterceptionProxy } from '@midwire/sdk'
import { aroundAll, aroundEach, inject } from 'vitest'
import type { TestContext } from 'vitest'
import { whenBodyBegins, wrapInnerBlocks } from '../suite-hooks.ts'
import type { Block } from '../suite-hooks.ts'
import { hookClock, TestClock } from '../test-clock.ts'
import type { Clock } from '../test-clock.ts'
import { annotate, tellsItself } from '../wire-annotation.ts'
import { pageError } from './page-error.ts'
import { PageLink } from './page-link.ts'
import type { PageProxy, Reckoning } from './page-proxy.ts'

// `PageProxy` itself stays on the other side.
const shape = {
  values: ['proxy'],
  methods: ['open', 'close', 'beginBlock', 'endBlock', 'beginTest', 'enterBody', 'endTest', 'check'],
} as const satisfies { readonly values: readonly (keyof PageProxy)[]; readonly methods: readonly (keyof PageProxy)[] }

let clock: Clock = hookClock
let link: PageLink | undefined

/** One page has one line to its proxy. */
function lineOf(): PageLink {
  if (link) return link
  const mode: { readonly token: string } | undefined = inject('midwire:browser')
  if (!mode) throw pageError('MIDWIRE_BAD_USE', 'useInterceptionProxy() in a page needs midwire() among the plugins of vitest.config.ts')
  return (link = new PageLink(mode.token, () => clock.remaining()))
}

function remote(): PageProxy {
  return lineOf().root(shape) as PageProxy
}

/** What a matcher says of a proxy. */
export function checkInPage(...args: Parameters<PageProxy['check']>): ReturnType<PageProxy['check']> {
  const [name, proxy, rest, isNot] = args
  return remote().check(name, targets.get(proxy as object) ?? proxy, rest, isNot)
}

/** What stands for the proxy from the time on that the file is read. */
const targets = new WeakMap<object, InterceptionProxy<unknown>>()

/** A file or block of tests in a page that a proxy covers. */
export class PageCoverage {
  readonly proxy: InterceptionProxy<unknown>
  readonly #options: InterceptionOptions<unknown>
  #target: InterceptionProxy<unknown> | undefined

  constructor(options: InterceptionOptions<unknown>) {
    this.#options = options
    const stand: object = {}
    const target = (): object => {
      if (this.#target) return this.#target
      throw pageError('MIDWIRE_BAD_USE', 'the proxy is used outside of a test or hook; what it does needs a test that it belongs to')
    }
    this.proxy = new Proxy(stand, {
      get: (_stand, name) => (name === 'then' ? undefined : (Reflect.get(target(), name) as unknown)),
      has: (_stand, name) => this.#target !== undefined && name in this.#target,
    }) as InterceptionProxy<unknown>
  }

  /** Registers the hooks of the block that vitest collects now. */
  register(): void {
    // vitest reads the names of fixtures from the second parameter, and takes only a pattern there.
    // oxlint-disable-next-line no-empty-pattern
    aroundAll((run, {}, block) => this.#coverBlock(run, block))
    aroundEach((run, context) => this.#coverTest(run, context))
  }

  async #coverBlock(run: () => Promise<void>, block: Block): Promise<void> {
    const line = lineOf()
    line.start()
    try {
      await remote().open(this.#options)
      this.#target = remote().proxy
      targets.set(this.proxy, this.#target)
      await this.#runBlock(run, block)
    } finally {
      this.#target = undefined
      const late = await remote().close()
      await line.stop()
      throwAll(late)
    }
  }

  async #runBlock(run: () => Promise<void>, block: Block): Promise<void> {
    wrapInnerBlocks(block, (runInner, inner) => {
      remote().beginBlock(inner.name)
      return this.#runBlock(runInner, inner)
    })
    await run()
    const { errors } = await remote().endBlock()
    throwAll(errors)
  }

  /** One attempt of a test. */
  async #coverTest(run: () => Promise<void>, context: TestContext): Promise<void> {
    const { task } = context
    if (!this.#target) return run()
    if (clock !== hookClock)
      throw pageError('MIDWIRE_BAD_USE', 'tests of a page that runs a proxy cannot be concurrent: nothing tells their connections apart')
    const own = new TestClock(task)
    clock = own
    try {
      remote().beginTest(task.name)
      whenBodyBegins(task, () => {
        own.bodyBegins()
        remote().enterBody()
      })
      await run()
      const failed = task.result?.state === 'fail' || task.result?.state === 'skip'
      const { errors, transcript }: Reckoning = await remote().endTest(failed)
      if (errors.length > 0 || (task.result?.state === 'fail' && !tellsItself(task))) await annotate(context, transcript)
      throwAll(errors)
    } finally {
      clock = hookClock
    }
  }
}

function throwAll(errors: readonly Error[]): void {
  const [first, ...more] = errors
  if (first === undefined) return
  if (more.length === 0) throw first
  throw new AggregateError(errors, errors.map(error => error.message).join('\n'))
}
