import type { InterceptionOptions, InterceptionProxy } from '@midwire/sdk'
import { collectingBlock, outwards } from '../suite-hooks.ts'
import type { Block } from '../suite-hooks.ts'
import { PageCoverage } from './page-coverage.ts'
import { pageError } from './page-error.ts'

const coverages = new WeakMap<Block, PageCoverage>()

/**
 * Covers the file, or the describe block, that calls it: while it runs, every connection of this page goes through the proxy. Use what it
 * returns in hooks and tests; each test has its own rules, waits and connections. A second call in a covered place returns the same proxy.
 *
 * @throws MidwireError MIDWIRE_BAD_USE inside a test or hook; MIDWIRE_BAD_INPUT with `clock: 'test'`
 */
export function useInterceptionProxy<T = Uint8Array>(options: InterceptionOptions<T> = {}): InterceptionProxy<T> {
  const block = collectingBlock()
  if (!block) {
    throw pageError(
      'MIDWIRE_BAD_USE',
      'useInterceptionProxy() belongs at the top of a file or inside describe; hooks and tests use what it returned',
    )
  }
  if (options.clock === 'test') {
    throw pageError('MIDWIRE_BAD_INPUT', "useInterceptionProxy() { clock }: the wire cannot follow the timers of a page; expected 'real'")
  }
  const around = [...outwards(block)].map(outer => coverages.get(outer)).find(coverage => coverage !== undefined)
  if (around) return around.proxy as InterceptionProxy<T>
  const coverage = new PageCoverage(options)
  coverages.set(block, coverage)
  coverage.register()
  return coverage.proxy as InterceptionProxy<T>
}
