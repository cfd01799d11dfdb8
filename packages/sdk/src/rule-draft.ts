import type { Connection, Match, Message, Scope, Side, SourceLine } from '@midwire/proxy'
import { badInput, checkCount } from './bad-input.ts'
import type { MessageMatch } from './matching.ts'
import type { RuleDesk } from './rule-desk.ts'
import type { Landmark } from './wait-options.ts'

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
  readonly skip?: number
  readonly every?: number
  readonly after?: () => boolean
  /** Withdraws the rule at the first message that matches. */
  readonly until?: Match<unknown, Message>
  readonly connection?: Connection
  readonly name?: string
  readonly optional: boolean
}

/** A rule's handle, as far as `after()` needs it. */
interface Acting {
  readonly hits: number
  dispose(): void
}

/** The modifiers that every rule knows. Immutable: each returns a new builder, so a half-built rule can be shared. */
export abstract class RuleBuilder<Self, T> {
  protected readonly desk: RuleDesk
  protected readonly draft: Draft

  constructor(desk: RuleDesk, draft: Draft) {
    this.desk = desk
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
    return this.#select({ nth: k })
  }

  /** Act on every k-th match only: the k-th, the 2k-th, and so on. @throws MidwireError unless a positive integer */
  every(k: number): Self {
    checkCount(k, 'every(k)')
    return this.#select({ every: k })
  }

  /** Let the first `count` matches go. @throws MidwireError unless a positive integer */
  skip(count: number): Self {
    checkCount(count, 'skip(count)')
    return this.#select({ skip: count })
  }

  /**
   * Matches count only once that rule has acted, that wait is met, or that event was seen.
   *
   * @throws MidwireError unless the handle of a rule, what a wait returned, or its promise
   */
  after(event: Acting | PromiseLike<unknown> | Landmark): Self {
    const now = this.#happened(event)
    const { after } = this.draft
    return this.derive({ ...this.draft, after: after ? () => after() && now() : now })
  }

  /** Act until a message matches, of either direction; on that message the rule acts no more. What it holds stays held. */
  until(match: MessageMatch<T>): Self {
    if (match === undefined)
      throw badInput('until(match): expected a match, got undefined; without until() a rule lives as long as its test')
    return this.derive({ ...this.draft, until: this.desk.messageMatch(match) })
  }

  /** `nth` counts from the declaration, as `skip` and `every` do: together they can leave no match to act on. */
  #select(selection: Pick<Draft, 'nth' | 'every' | 'skip'>): Self {
    const draft = { ...this.draft, ...selection }
    const { nth, skip = 0, every = 1 } = draft
    if (nth !== undefined && (nth <= skip || (nth - skip) % every !== 0)) {
      throw badInput(`nth(${nth}) with skip(${skip}) and every(${every}) can never act: nth counts every match since the declaration`)
    }
    return this.derive(draft)
  }

  #happened(event: unknown): () => boolean {
    if (typeof event === 'object' && event !== null) {
      if (isActing(event)) return () => event.hits > 0
      if ('then' in event && typeof event.then === 'function') {
        let isMet = false
        event.then(
          () => (isMet = true),
          // Nobody else awaits it, perhaps.
          (reason: unknown) => this.desk.failScope(this.draft.lineage.scope, reason),
        )
        return () => isMet
      }
      if ('seq' in event || 'id' in event || 'connection' in event) return () => true
    }
    throw badInput('after(event): expected the handle of a rule, what a wait returned, or its promise')
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

function isActing(value: object): value is Acting {
  return 'hits' in value && typeof value.hits === 'number' && 'dispose' in value
}

/** What of a draft is the rule's own data. */
export function ruleParts({ lineage, until: _, ...rest }: Draft): Omit<Draft, 'lineage' | 'until'> & { readonly start: string } {
  return { ...rest, start: lineage.start }
}
