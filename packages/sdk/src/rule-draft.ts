import type { Connection, Scope, Side, SourceLine } from '@midwire/proxy'
import { badInput, checkCount } from './bad-input.ts'

/** One `on…` and everything derived from it: it must end in a verb somewhere. */
export interface Lineage {
  readonly start: string
  readonly at: SourceLine
  readonly scope: Scope
  /** True until the turn ends in which it began: a verb in that turn takes its line. */
  fresh: boolean
  used: boolean
}

/** What modifiers have gathered so far, as frozen data. */
export interface Draft {
  readonly lineage: Lineage
  readonly from?: Side
  readonly nth?: number
  readonly times?: number
  readonly connection?: Connection
  readonly name?: string
  readonly optional: boolean
}

/** The modifiers that every rule knows. Immutable: each returns a new builder, so a half-built rule can be shared. */
export abstract class RuleBuilder<Self> {
  protected readonly draft: Draft

  constructor(draft: Draft) {
    this.draft = Object.freeze(draft)
  }

  protected abstract derive(draft: Draft): Self

  /** Act on the first match only: `times(1)`. */
  once(): Self {
    return this.times(1)
  }

  /** Act on the first `count` matches only. @default every match @throws MidwireError unless a positive integer */
  times(count: number): Self {
    checkCount(count, 'times(count)')
    return this.derive({ ...this.draft, times: count })
  }

  /** Act on the k-th match since the declaration only, from 1. @throws MidwireError unless a positive integer */
  nth(k: number): Self {
    checkCount(k, 'nth(k)')
    return this.derive({ ...this.draft, nth: k })
  }

  /** Act on this connection only. @throws MidwireError if it is none */
  on(connection: Connection): Self {
    if (!connection || typeof connection !== 'object' || typeof connection.id !== 'number') {
      throw badInput('on(connection): expected a connection, such as `await proxy.waitForConnection()` returns')
    }
    return this.derive({ ...this.draft, connection })
  }

  /** What failures and transcripts call the rule. @throws MidwireError unless a text */
  named(text: string): Self {
    if (typeof text !== 'string' || text === '')
      throw badInput(`named(text): expected a text, got ${text === '' ? 'an empty one' : typeof text}`)
    return this.derive({ ...this.draft, name: text })
  }

  /** Does not fail its test if it never acts. */
  optional(): Self {
    return this.derive({ ...this.draft, optional: true })
  }
}
