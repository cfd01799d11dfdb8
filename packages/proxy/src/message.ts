import type { Connection } from './connection.ts'
import type { Verdict } from './rule/verdict.ts'
import type { Side } from './side.ts'

/**
 * One message as the codec decoded it, as it arrived. `value` is decoded when somebody looks, if the codec is stateless.
 */
export interface Message<T = unknown> {
  /** As sent. Changing it changes nothing on the wire. @throws MidwireError MIDWIRE_CODEC if it does not decode, or its bytes have gone. */
  readonly value: T
  readonly from: Side
  readonly connection: Connection
  /** When its last byte arrived, in ms since the proxy started. */
  readonly at: number
  /** Position among the messages of its connection and direction, from 0. */
  readonly index: number
  /** True for binary, false for text. */
  readonly binary: boolean
  /** The payload that carried it (unmasked, inflated); for a codec that packs several into one, its own part. */
  readonly bytes: Uint8Array
  /** `bytes` read as UTF-8. */
  readonly text: string
  /** What the rules decided; `undefined` while a decision is pending. */
  readonly verdict: Verdict | undefined
  /** The name or place of the rule that decided, if one did. */
  readonly decidedBy: string | undefined
  /** The payload as written to the receiver; `undefined` if it was dropped, or is not written yet, or waits on a frozen connection. */
  readonly delivered: Uint8Array | undefined
  /** Resolves with `delivered` when it has been written, and with `undefined` once it is certain that it will not be. */
  readonly whenDelivered: Promise<Uint8Array | undefined>
  /** True once it is certain whether, and as what, it was written: without `delivered` it was dropped, or discarded with its connection. */
  readonly settled: boolean
  /** Why the codec could not decode it; `undefined` if it could. */
  readonly undecodable: string | undefined
  /** True once its payload has left the journal (`journalLimit`): it still counts, but has neither value nor bytes. */
  readonly evicted: boolean
  /** Position in the journal: what `after` compares. */
  readonly seq: number
}
