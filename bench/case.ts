import type { Running, Upstream } from './middle.ts'

export type Unit = 'µs' | 'ms' | '/s' | 'MB/s' | 'KiB' | 'MiB'

/** What is asked of a variant, beside the case's baseline. */
export interface Target {
  readonly variant: string
  /** The quotient with the baseline's median, the difference from it, or the median itself. */
  readonly of: 'ratio' | 'difference' | 'value'
  readonly atMost?: number
  readonly atLeast?: number
}

/** One thing that is measured, the same way for each of its variants. */
export interface Case {
  readonly title: string
  readonly unit: Unit
  readonly scheme: 'ws' | 'wss'
  /** Names of middle men, unless the case says otherwise. */
  readonly variants: readonly string[]
  readonly baseline: string
  readonly targets: readonly Target[]
  /** Rounds that count. @default what the run was asked for */
  readonly rounds?: number
  /** Once, without warm-up, in processes that have measured nothing before. @default false */
  readonly fresh?: boolean
  /** Runs in the process of the variant, once. */
  prepare(lane: Lane): Promise<Prepared>
}

export interface Lane {
  readonly variant: string
  readonly upstream: Upstream
  /** Starts the middle man that the variant names. */
  start(): Promise<Running>
}

export interface Prepared {
  /** Measures once, in the unit of the case. */
  sample(): Promise<number>
  done(): Promise<void>
}
