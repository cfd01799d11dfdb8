/** What was decided for one message. A new kind lights up every switch that has to know it. */
export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'drop' }
  /** Leaves `ms` after it arrived, and never before what stands in front of it. */
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'replace'; readonly value: unknown }
  /** 'wait' keeps what is behind in its place; 'pass' takes the message out of the queue, and its release puts it at the tail. */
  | { readonly kind: 'hold'; readonly others: 'wait' | 'pass' }

export const pass: Verdict = Object.freeze({ kind: 'pass' })
