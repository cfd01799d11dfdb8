import type { Payload } from '../rule/payload.ts'
import type { ControlFrame, ControlRule } from '../rule/rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import { ParkedControls } from './parked-controls.ts'

/** A message of our own, as a frame. */
export interface OwnMessage {
  readonly frame: Buffer
  readonly payload: Payload
}

/** What does not wait for the queue: pings and pongs, which may stand between any two frames, and urgent messages of our own. */
export class Overtakers {
  /** Pings and pongs that rules keep back. */
  readonly parked: ParkedControls = new ParkedControls()
  #pings: Buffer[] = []
  #messages: OwnMessage[] = []

  get none(): boolean {
    return this.#messages.length === 0 && this.#pings.length === 0 && this.parked.empty
  }

  /** Adds a ping of our own. */
  ping(frame: Buffer): void {
    this.#pings.push(frame)
  }

  message(frame: Buffer, payload: Payload): void {
    this.#messages.push({ frame, payload })
  }

  park(frame: ControlFrame, bytes: Buffer, run: RuleRun<ControlRule>, due: number): void {
    // A copy: it may wait for long, and what it came in would wait with it.
    this.parked.park(frame, Buffer.from(bytes), run, due)
  }

  /** Takes out the pings and pongs that may leave now. */
  takeControls(now: number): Buffer[] {
    return [...this.#pings.splice(0), ...this.parked.take(now)]
  }

  takeMessages(): OwnMessage[] {
    return this.#messages.splice(0)
  }

  /** Gives all of it up; returns how many messages those were. */
  discard(): number {
    this.#pings = []
    this.parked.clear()
    return this.takeMessages().length
  }
}
