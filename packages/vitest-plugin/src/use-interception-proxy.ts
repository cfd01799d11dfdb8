import { MidwireError } from '@midwire/proxy'
import { callSite, checkSettings, countAsOwn, placedAt, showLine } from '@midwire/sdk'
import type { CallSite, InterceptionOptions, InterceptionProxy } from '@midwire/sdk'
import { contradiction } from './contradiction.ts'
import { Coverage } from './coverage.ts'
import { collectingBlock, outwards } from './suite-hooks.ts'
import type { Block } from './suite-hooks.ts'

countAsOwn(import.meta.dirname)

const coverages = new WeakMap<Block, Coverage<unknown>>()

/**
 * Covers the file, or the describe block, that calls it: while it runs, every connection of this process goes through the proxy. Use what it
 * returns in hooks and tests; each test has its own rules, waits and connections. A second call with the same options, or none, returns the
 * same proxy.
 *
 * @throws MidwireError MIDWIRE_BAD_INPUT on an unknown option or a value that cannot be meant; MIDWIRE_BAD_USE inside a test or hook, and
 * where options contradict those of a call that covers this place already
 */
export function useInterceptionProxy<T = Uint8Array>(options: InterceptionOptions<T> = {}): InterceptionProxy<T> {
  checkSettings(options, 'useInterceptionProxy()')
  const site = callSite()
  const block = collectingBlock()
  if (!block)
    throw badUse('useInterceptionProxy() belongs at the top of a file or inside describe; hooks and tests use what it returned', site)
  const around = [...outwards(block)].map(outer => coverages.get(outer)).find(coverage => coverage !== undefined)
  if (around) return join(around, options, site)
  const coverage = new Coverage<T>(options, site.line)
  coverages.set(block, coverage as Coverage<unknown>)
  coverage.register()
  return coverage.proxy
}

function join<T>(coverage: Coverage<unknown>, options: InterceptionOptions<T>, site: CallSite): InterceptionProxy<T> {
  const name = contradiction(coverage.options, options)
  if (name === undefined) return coverage.proxy as InterceptionProxy<T>
  throw badUse(
    `useInterceptionProxy() at ${showLine(site.line)} gives another ${name} than the one at ${showLine(coverage.at)}, which covers it; ` +
      `one file has one proxy: give it there, or call each inside a describe of its own`,
    site,
  )
}

function badUse(text: string, site: CallSite): MidwireError {
  return placedAt(new MidwireError('MIDWIRE_BAD_USE', text), site)
}
