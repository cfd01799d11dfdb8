import type { Message } from '../message.ts'
import type { Payload } from '../rule/payload.ts'
import type { ControlFrame, ControlRule, FollowUp, MessageRule } from '../rule/rule.ts'
import type { Verdict } from '../rule/verdict.ts'
import type { Side } from '../side.ts'

/** What the shell tells a session. `at` is in ms since the proxy started; it never goes back. */
export type Input =
  /** `relayed`: the receiver has been given it by other means: it is journalled and observed, and no rule decides about it. */
  | { readonly kind: 'bytes'; readonly from: Side; readonly bytes: Buffer; readonly relayed?: boolean; readonly at: number }
  /** Comes out as a 'mark' when everything from that side before it has been carried out. */
  | { readonly kind: 'mark'; readonly from: Side; readonly id: number; readonly at: number }
  | { readonly kind: 'end'; readonly from: Side; readonly how: 'fin' | 'rst'; readonly at: number }
  | { readonly kind: 'clock'; readonly at: number }
  /** The set of live rules changed: what waited for a rule that has gone may go on. */
  | { readonly kind: 'rules'; readonly at: number }
  /** The answer to an 'ask'. An error stands for a handler that threw or did not answer: its message passes. */
  | { readonly kind: 'decision'; readonly id: number; readonly verdict: Verdict | undefined; readonly error?: unknown; readonly at: number }
  | { readonly kind: 'release'; readonly message: Message; readonly at: number }
  /** Everything held or set aside goes on, in order. */
  | { readonly kind: 'releaseAll'; readonly at: number }
  /** `payload` is what `Session.encode` made of a value, so that a value that cannot be encoded throws where it was given. */
  | { readonly kind: 'send'; readonly to: Side; readonly payload: Payload; readonly place: 'tail' | 'now'; readonly at: number }
  /** A ping of our own, at the next frame boundary; its pong is swallowed. */
  | { readonly kind: 'ping'; readonly to: Side; readonly payload: Buffer; readonly at: number }
  /** A ping behind everything queued; 'fenced' tells when its pong has come. */
  | { readonly kind: 'fence'; readonly to: Side; readonly id: number; readonly at: number }
  | { readonly kind: 'releaseFrame'; readonly frame: ControlFrame; readonly at: number }
  | { readonly kind: 'close'; readonly to: Side | 'both'; readonly code: number | undefined; readonly reason: string; readonly at: number }
  | { readonly kind: 'terminate'; readonly how: 'fin' | 'rst'; readonly at: number }

/** What a session wants done, in order. */
export type Output =
  | { readonly kind: 'write'; readonly to: Side; readonly bytes: Uint8Array }
  | { readonly kind: 'mark'; readonly to: Side; readonly id: number }
  /** After everything written before it. With 'both', the connection is over and no further input is taken. */
  | { readonly kind: 'end'; readonly to: Side | 'both'; readonly how: 'fin' | 'rst' }
  /** Please send `clock` then; only the newest counts. */
  | { readonly kind: 'wake'; readonly at: number }
  /** Please run the rule's handler and send a `decision` with this id. */
  | { readonly kind: 'ask'; readonly id: number; readonly rule: MessageRule; readonly message: Message }
  /** Back-pressure: more is queued behind a hold than the limit allows. */
  | { readonly kind: 'pause' | 'resume'; readonly from: Side }
  /** A rule or codec failed: the test that declared it must fail. */
  | {
      readonly kind: 'fail'
      readonly rule: MessageRule | ControlRule | undefined
      readonly error: unknown
      readonly message: Message | undefined
    }
  /** The receiver has taken what stood before the fence; `problem` says why it never will. */
  | { readonly kind: 'fenced'; readonly id: number; readonly problem: string | undefined }
  /** Both legs are done; nothing more will come out. */
  | { readonly kind: 'over' }

export type { FollowUp }
