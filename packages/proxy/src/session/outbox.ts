import type { Side } from '../side.ts'
import type { Output } from './session-io.ts'

const empty = Buffer.alloc(0)

/** Collects the outputs of one turn. Neighbouring ranges of one chunk leave as one write, without a copy. */
export class Outbox {
  #outputs: Output[] = []
  #bytes: Buffer = empty
  #start = 0
  #end = 0
  #to: Side = 'client'

  /** Writes `bytes[start, end)`. */
  range(to: Side, bytes: Buffer, start: number, end: number): void {
    if (start === end) return
    if (bytes === this.#bytes && start === this.#end && to === this.#to) {
      this.#end = end
      return
    }
    this.#flush()
    this.#to = to
    this.#bytes = bytes
    this.#start = start
    this.#end = end
  }

  push(output: Output): void {
    this.#flush()
    this.#outputs.push(output)
  }

  /** The outputs so far, in order; the next turn begins empty. */
  take(): Output[] {
    this.#flush()
    const outputs = this.#outputs
    this.#outputs = []
    return outputs
  }

  #flush(): void {
    const bytes = this.#bytes
    if (bytes === empty) return
    const whole = this.#start === 0 && this.#end === bytes.length
    this.#outputs.push({ kind: 'write', to: this.#to, bytes: whole ? bytes : bytes.subarray(this.#start, this.#end) })
    this.#bytes = empty
  }
}
