import type { Envelope } from './framing.ts'

/** An envelope on its way, or a mere place in a body: what becomes of its messages is gathered until all of them are decided. */
export interface Letter {
  readonly envelope: Envelope | undefined
  /** Its messages as they came. */
  readonly parts: readonly Uint8Array[]
  /** What leaves in their place, so far. */
  readonly written: Uint8Array[]
  /** 'relayed': the receiver has it already. */
  state: 'relayed' | 'queued' | 'begun' | 'done'
  /** All of it was decided, and so was everything before it. */
  done(letter: Letter): void
  /** Half of it leaves, and nothing more. */
  tear(): void
}
