import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Codec, InterceptionProxy } from '@midwire/sdk'
import { messageOf, UsageError } from './usage-error.ts'

/** What a file for `--rules` exports. */
export interface RulesFile {
  /** Declares rules, as a test would. */
  readonly rules: (proxy: InterceptionProxy<never>) => unknown
  /** What its rules speak, unless `--codec` says otherwise. */
  readonly codec: Codec<never> | undefined
}

/** Loads it; Node strips its types. @throws UsageError if it cannot be loaded, or exports no rules */
export async function loadRules(file: string): Promise<RulesFile> {
  const path = resolve(file)
  if (!existsSync(path)) throw new UsageError(`--rules ${file}: there is no such file`)
  let loaded: { readonly default?: unknown; readonly rules?: unknown; readonly codec?: unknown }
  try {
    loaded = (await import(pathToFileURL(path).href)) as typeof loaded
  } catch (cause) {
    throw new UsageError(
      `--rules ${file} cannot be loaded: ${cause instanceof Error ? (cause.stack ?? cause.message) : messageOf(cause)}`,
      { cause },
    )
  }
  const rules = loaded.rules ?? loaded.default
  if (typeof rules !== 'function')
    throw new UsageError(`--rules ${file} exports no rules; expected \`export function rules(proxy) { proxy.onRequest(…)… }\``)
  return { rules: rules as RulesFile['rules'], codec: loaded.codec as RulesFile['codec'] }
}
