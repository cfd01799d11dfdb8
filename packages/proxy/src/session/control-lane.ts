import type { Connection } from '../connection.ts'
import { controlOutcome } from '../rule/control-outcome.ts'
import { judgeControl } from '../rule/judge-control.ts'
import type { ControlFrame, ControlRule } from '../rule/rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import { Opcode } from '../ws/frame.ts'
import { mask } from '../ws/mask.ts'
import type { Gate } from './gate.ts'

/** What the way of control frames needs of the session around it. */
export interface ControlHost {
  /** A close frame came from `from`; true if it answers one of Midwire's own and must not go on. */
  closeArrived(from: Side): boolean
  /** True while a pong of `from` may answer a ping of our own. */
  awaitsPong(from: Side): boolean
  /** True if the pong answers a ping of our own, and must not go on. */
  pongArrived(from: Side, payload: Uint8Array): boolean
  closeFrame(to: Side, code: number | undefined, reason: string): Buffer
  controlFailed(run: RuleRun<ControlRule>, error: unknown): void
  note(text: string): void
}

export interface ControlLaneOptions {
  readonly from: Side
  readonly connection: Connection
  readonly gate: Gate
  readonly host: ControlHost
}

/** The pings, pongs and close frames that one side sends (RFC 6455 §5.5), and what rules on them decide. */
export class ControlLane {
  /** The rules that they meet, in the order of asking. */
  runs: readonly RuleRun<ControlRule>[] = []
  readonly #from: Side
  readonly #connection: Connection
  readonly #gate: Gate
  readonly #host: ControlHost

  constructor({ from, connection, gate, host }: ControlLaneOptions) {
    this.#from = from
    this.#connection = connection
    this.#gate = gate
    this.#host = host
  }

  /** True if a ping or pong may have to stay. */
  get watching(): boolean {
    return this.runs.length > 0 || this.#host.awaitsPong(this.#from)
  }

  /** True for a ping or pong that goes on from where it stands. */
  passes(bytes: Buffer, payloadAt: number, at: number): boolean {
    const frame = this.#controlFrame(bytes, payloadAt, at)
    if (frame.kind === 'pong' && this.#host.pongArrived(this.#from, frame.payload)) return false
    const run = this.#judgeControl(frame)
    switch (run?.rule.action.kind) {
      case 'drop':
        return false
      case 'delay':
        this.#gate.park(frame, bytes, run, at + run.rule.action.ms)
        return false
      case 'hold':
        this.#gate.park(frame, bytes, run, Infinity)
        return false
      case 'observe':
      case 'replace':
      case undefined:
        return true
    }
  }

  /** Takes a close frame: behind all that came before it, if it goes on. */
  close(bytes: Buffer, payloadAt: number, at: number): void {
    if (this.#host.closeArrived(this.#from)) return
    const pushed = { kind: 'close', frame: bytes, own: false } as const
    if (this.runs.length === 0) return this.#gate.push(pushed)
    const frame = this.#controlFrame(bytes, payloadAt, at)
    const run = this.#judgeControl(frame)
    const action = run?.rule.action
    if (!run || !action) return this.#gate.push(pushed)
    switch (action.kind) {
      case 'drop':
        return
      case 'replace':
        return this.#gate.push({ ...pushed, frame: this.#host.closeFrame(other(this.#from), action.code, action.reason) })
      case 'delay':
        return this.#gate.push({ ...pushed, pause: { frame, run, until: at + action.ms } })
      case 'hold':
        this.#gate.push({ ...pushed, pause: { frame, run, until: Infinity } })
        return run.holdFrame(frame)
      case 'observe':
        return this.#gate.push(pushed)
    }
  }

  #judgeControl(frame: ControlFrame): RuleRun<ControlRule> | undefined {
    const run = judgeControl(this.runs, frame, (failed, error) => this.#host.controlFailed(failed, error))
    if (run) this.#host.note(controlOutcome(frame, run.rule))
    return run
  }

  #controlFrame(bytes: Buffer, payloadAt: number, at: number): ControlFrame {
    const opcode = (bytes[0] ?? 0) & 0x0f
    const payload = Buffer.from(bytes.subarray(payloadAt))
    if (this.#from === 'client') mask(payload, 0, payload.length, bytes.readInt32BE(payloadAt - 4))
    const isClose = opcode === Opcode.close && payload.length >= 2
    return {
      kind: opcode === Opcode.close ? 'close' : opcode === Opcode.ping ? 'ping' : 'pong',
      connection: this.#connection,
      from: this.#from,
      at,
      payload,
      // RFC 6455 §7.1.5: 1005 stands for a close frame without a code
      code: isClose ? payload.readUInt16BE(0) : 1005,
      reason: isClose ? payload.toString('utf8', 2) : '',
    }
  }
}
