/** What was decided for one message. A new kind lights up every switch that has to know it. */
export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'drop' }
  /** Leaves `ms` after it arrived, and never before what stands in front of it. */
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'replace'; readonly value: unknown }
  /** 'wait' keeps what is behind in its place; 'pass' takes the message out of the queue, and its release puts it at the tail. */
  | { readonly kind: 'hold'; readonly others: 'wait' | 'pass' }
  /** Leaves broken, as bytes that RFC 6455 or the codec forbids. */
  | { readonly kind: 'corrupt'; readonly how: Corruption }

/**
 * 'payload': what the codec cannot decode · 'utf8': text that is not UTF-8 (RFC 6455 §8.1) · 'opcode': a reserved opcode (§5.2) ·
 * 'rsv': RSV2 set (§5.2) · 'control': a ping of 126 bytes (§5.5) · 'truncate': half of the frame, then the end of both legs.
 */
export type Corruption = 'payload' | 'utf8' | 'opcode' | 'rsv' | 'control' | 'truncate'

export const pass: Verdict = Object.freeze({ kind: 'pass' })
