import type { TrafficEvent } from './traffic-event.ts'

/** How many events one record can hold: an event's `seq` is its record's ordinal times this, plus its place in the record. */
export const eventsPerRecord: number = 2 ** 22

/** What the journal keeps for one thing that happened: its events, made at once or when somebody reads. */
export interface JournalRecord {
  /** Place in the journal, from 0. */
  readonly ordinal: number
  /** Bytes that count towards the journal's limit. */
  readonly weight: number
  /** The events of this record, in order; made at the first call. */
  events(): readonly TrafficEvent[]
  /** Lets the payloads go; what remains can still be counted. */
  evict(): void
}
