import type { JournalledMessage } from '../journal/journalled-message.ts'
import type { Payload } from '../rule/payload.ts'
import type { ControlFrame, ControlRule, FollowUp, MessageRule } from '../rule/rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import type { Corruption } from '../rule/verdict.ts'
import { Pieces } from './pieces.ts'

/** One message of a batch, and what is to become of it when it reaches the head of the queue. */
export interface Slot {
  readonly message: JournalledMessage
  /** The part of its bytes that belongs to this batch: all, unless its beginning had been forwarded before. */
  readonly own: Uint8Array
  /** 'aside': taken out of the queue until its release. */
  state: 'undecided' | 'ready' | 'held' | 'delayed' | 'dropped' | 'aside'
  /** What goes in its place; `undefined`: itself. */
  payload: Payload | undefined
  /** When a delayed one may leave. */
  due: number
  then: readonly FollowUp[]
  /** How it is to be broken. */
  broken?: Corruption
  /** The rule that decided, or is being asked. */
  run: RuleRun<MessageRule> | undefined
}

/**
 * The shortest run of WebSocket messages after which the codec has no rest. Untouched it leaves as the frames it came in; else
 * its messages leave in frames of our own.
 */
export class Batch {
  readonly kind = 'batch'
  /** Frames of the WebSocket messages that have ended, and of the one that has not. */
  readonly done: Pieces = new Pieces()
  readonly open: Pieces = new Pieces()
  readonly slots: Slot[] = []
  readonly compressed: boolean
  readonly continues: boolean
  /** Type of the last WebSocket message in it. */
  binary = false
  /** The first slot that is still to be carried out. */
  next = 0
  /** True once one of its messages had to leave, or stay, without the others. */
  split = false
  complete = false
  weight = 0
  /** What the codec had over when the batch was cut short; it goes on as it is. */
  leftover: Payload | undefined

  /** `continues`: the beginning of its first message has been forwarded; until its end, nothing may come in between. */
  constructor(compressed: boolean, continues: boolean) {
    this.compressed = compressed
    this.continues = continues
  }

  add(bytes: Buffer, start: number, end: number): void {
    this.weight += end - start
    this.open.add(bytes, start, end)
  }

  /** The WebSocket message in progress has ended. */
  close(): void {
    this.done.take(this.open)
  }
}

/** True for a batch of which no message has arrived: what is put at the tail goes before it. */
export function isFresh(element: Element): boolean {
  return element.kind === 'batch' && !element.complete && !element.continues && element.slots.length === 0
}

/** Bytes that no rule is asked about: they go on as they come, also in the middle of a message. */
export class Stretch {
  readonly kind = 'stretch'
  readonly pieces: Pieces = new Pieces()
  /** Messages that end in what has not been written yet. */
  readonly messages: JournalledMessage[] = []
  weight = 0
  /** Some of it has been written: until its end, no message may come in between. */
  begun: boolean
  /** What has arrived of it ends with a frame; what has been written of it does: there pings and pongs may come in between. */
  arrivedWhole = false
  writtenWhole = false
  /** Nothing will be added: it ends where a message does, or the sender has ended. */
  done = false
  /** It ends in the middle of a message: nothing of our own can follow it. */
  torn = false

  constructor(begun: boolean) {
    this.begun = begun
  }

  add(bytes: Buffer, start: number, end: number): void {
    this.weight += end - start
    this.pieces.add(bytes, start, end)
  }
}

/** A close frame that a rule keeps back, and all that is behind it. */
export interface Pause {
  readonly frame: ControlFrame
  readonly run: RuleRun<ControlRule>
  /** When it may leave; `Infinity` while it is held. */
  until: number
}

/** All that can stand in the queue of one direction. */
export type Element =
  | Batch
  | Stretch
  | { readonly kind: 'injected'; readonly frame: Buffer; readonly payload: Payload }
  /** `own`: Midwire's, not the peer's. */
  | { readonly kind: 'close'; readonly frame: Buffer; readonly own: boolean; readonly pause?: Pause | undefined }
  /** A place between what one side sent, to be told of when it is reached. */
  | { readonly kind: 'mark'; readonly id: number }
  /** A ping of our own, whose pong tells that the receiver has taken what stands before it. */
  | { readonly kind: 'fence'; readonly frame: Buffer; readonly id: number }
  | { readonly kind: 'end'; readonly how: 'fin' | 'rst' }
