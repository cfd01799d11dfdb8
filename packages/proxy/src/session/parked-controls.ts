import type { ControlFrame, ControlRule } from '../rule/rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'

interface Parked {
  readonly bytes: Buffer
  readonly run: RuleRun<ControlRule>
  /** `Infinity` while a rule holds it. */
  due: number
}

/** Pings and pongs that rules keep back, in order of arrival; nothing waits for them. */
export class ParkedControls {
  readonly #parked = new Map<ControlFrame, Parked>()

  get empty(): boolean {
    return this.#parked.size === 0
  }

  /** When the next of them may leave; those that may leave already wait for a frame to end, and not for the clock. */
  dueAfter(now: number): number | undefined {
    let next = Infinity
    for (const { due } of this.#parked.values()) if (due > now && due < next) next = due
    return next === Infinity ? undefined : next
  }

  park(frame: ControlFrame, bytes: Buffer, run: RuleRun<ControlRule>, due: number): void {
    this.#parked.set(frame, { bytes, run, due })
    if (due === Infinity) run.holdFrame(frame)
  }

  /** False if it is not kept here. */
  release(frame: ControlFrame): boolean {
    const parked = this.#parked.get(frame)
    if (!parked) return false
    parked.due = 0
    parked.run.unholdFrame(frame)
    return true
  }

  releaseAll(): void {
    for (const frame of this.#parked.keys()) this.release(frame)
  }

  /** Takes out what may leave now. */
  take(now: number): Buffer[] {
    const leaving: Buffer[] = []
    for (const [frame, { bytes, due }] of this.#parked) {
      if (due > now) continue
      this.#parked.delete(frame)
      leaving.push(bytes)
    }
    return leaving
  }

  clear(): void {
    for (const [frame, { run }] of this.#parked) run.unholdFrame(frame)
    this.#parked.clear()
  }
}
