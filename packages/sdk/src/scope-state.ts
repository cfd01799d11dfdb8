import type { EngineFailure, Leak, RuleRun, Scope, SourceLine } from '@midwire/proxy'
import type { Lineage } from './rule-draft.ts'
import type { IdenticalWaits } from './identical-waits.ts'
import type { TranscriptPart } from './transcript.ts'

/** 'test' answers for its rules; what hooks and blocks declare may stay unused. */
export type ScopeKind = 'test' | 'block'

/** A wait that is under way. */
export interface PendingWait {
  readonly what: string
  readonly at: SourceLine
  /** Its scope is over: nobody will await it any more. */
  abandon(): void
}

/** What one scope has declared, waited for and suffered. */
export interface ScopeState {
  readonly scope: Scope
  readonly kind: ScopeKind
  /** Position in the journal when it began: waits read from here. */
  readonly startedAfter: number
  /** ms since the proxy started, when it began. */
  readonly startedAt: number
  readonly runs: RuleRun[]
  /** Those of `runs` that must act, with the place in the journal at which they were declared. */
  readonly owed: Map<RuleRun, number>
  readonly lineages: Lineage[]
  /** Tells its chance from that of other tests: names of the scopes around it, and how often they were opened before. */
  readonly seedKey: string
  /** Says in lines of text what chaos has done. */
  readonly chaos: { toString(): string }[]
  readonly waits: Set<PendingWait>
  readonly identical: IdenticalWaits
  readonly failures: EngineFailure[]
  readonly leaks: Leak[]
  /** Lines for the transcript of a test that had failed before. */
  readonly notes: string[]
  /** True once a wait of this scope has failed it. */
  failed: boolean
  /** Nothing may be declared or awaited any more. */
  finished: boolean
  /** What must fail it has been collected: later failures belong to the scope around it. */
  reckoned: boolean
  /** What it had seen when it ended, where that will be shown. */
  seen?: readonly TranscriptPart[]
}
