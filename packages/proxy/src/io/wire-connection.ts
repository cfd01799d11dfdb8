import type { Connection, ConnectionState, RawSendOptions, SendOptions, TerminateOptions, Transport } from '../connection.ts'
import { MidwireError } from '../errors.ts'
import type { Target } from '../http/target.ts'
import type { Message } from '../message.ts'
import type { ControlFrame } from '../rule/rule.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import { closeFault } from '../ws/close.ts'
import type { Freeze, Network } from './network.ts'
import type { Pump } from './pump.ts'
import type { Road } from './road.ts'

const sides = ['client', 'server'] as const

/** A frozen direction, with what waits for its thaw. */
interface Frozen extends Freeze {
  readonly waiting: ((passes: boolean) => void)[]
}

/** The headers that a connection began with. */
export interface RequestHeaders {
  readonly headers: Connection['headers']
  readonly rawHeaders: readonly string[]
}

/** One WebSocket, or stream of messages, as rules, waits and tests see it; what they ask of it goes to its session. */
export class WireConnection implements Connection {
  readonly id: number
  readonly attempt: number
  readonly scope: Scope
  readonly host: string
  readonly port: number
  readonly url: string
  readonly path: string
  readonly query: Readonly<Record<string, string | string[]>>
  readonly headers: Connection['headers']
  readonly rawHeaders: readonly string[]
  readonly at: number
  transport: Transport
  #protocol = ''
  #state: ConnectionState = 'opening'
  #pump: Pump | undefined
  #obstacle: ((to: Side) => string | undefined) | undefined
  #abandon: (() => void) | undefined
  #network: Network | undefined
  readonly #roads = new Set<Road>()
  #isOnSharedRoads = false
  /** Those that it has left while it was frozen. */
  readonly #left = new Set<Road>()
  readonly #frozen = new Map<Side, Frozen>()
  readonly #closed: Promise<void>
  readonly #resolveClosed: () => void

  constructor(facts: {
    id: number
    attempt: number
    scope: Scope
    target: Target
    request: RequestHeaders
    at: number
    transport: Transport
  }) {
    this.transport = facts.transport
    this.id = facts.id
    this.attempt = facts.attempt
    this.scope = facts.scope
    this.host = facts.target.host
    this.port = facts.target.port
    this.url = facts.target.url
    this.path = facts.target.path
    this.query = facts.target.query
    this.headers = facts.request.headers
    this.rawHeaders = facts.request.rawHeaders
    this.at = facts.at
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#closed = promise
    this.#resolveClosed = resolve
  }

  get state(): ConnectionState {
    return this.#state
  }

  get protocol(): string {
    return this.#protocol
  }

  /** Resolves when both legs have ended, or the handshake has failed. */
  get closed(): Promise<void> {
    return this.#closed
  }

  /** A road that it travels on, alone or with others: what can be frozen, and cut off from what is on its way. */
  travelOn(road: Road, network: Network, isShared: boolean): void {
    this.#network = network
    this.#isOnSharedRoads = isShared
    this.#roads.add(road)
    road.carry(this)
  }

  /** Its exchange there is over. What of it is frozen is still on its way. */
  leaveRoad(road: Road): void {
    if (this.#frozen.size > 0) return void this.#left.add(road)
    this.#roads.delete(road)
    road.leave(this)
  }

  freeze({ from }: { readonly from?: Side } = {}): void {
    if (from !== undefined && from !== 'client' && from !== 'server')
      throw new MidwireError('MIDWIRE_BAD_INPUT', `freeze({ from }): ${JSON.stringify(from)} — expected 'client' or 'server'`)
    if (!this.#network || this.#state === 'closed') throw this.#badUse('freeze')
    for (const side of from ? [from] : sides) {
      if (this.#frozen.has(side)) continue
      const freeze = this.#network.freeze(this, side, () => this.#thawed(side))
      this.#frozen.set(side, { ...freeze, waiting: [] })
    }
  }

  thaw({ from }: { readonly from?: Side } = {}): void {
    for (const side of from ? [from] : sides) this.#frozen.get(side)?.thaw()
  }

  frozenSince(from: Side): number | undefined {
    return this.#frozen.get(from)?.since
  }

  onThaw(from: Side, fn: (passes: boolean) => void): void {
    const frozen = this.#frozen.get(from)
    if (frozen) frozen.waiting.push(fn)
    else fn(true)
  }

  #thawed(side: Side): void {
    const hasReceiver = [...this.#roads].some(road => road.legsBehind(side).some(({ leg }) => !leg.raw.destroyed))
    for (const fn of this.#frozen.get(side)?.waiting.splice(0) ?? []) fn(hasReceiver)
    this.#frozen.delete(side)
    if (this.#frozen.size > 0) return
    for (const road of this.#left) this.leaveRoad(road)
    this.#left.clear()
  }

  /** How to give the handshake up while there is no session yet. */
  abandonWith(abandon: () => void): void {
    this.#abandon = abandon
  }

  /** What it is asked goes to this pump, also while it is opening; `obstacle` says why a side can be sent nothing, if so. */
  attach(pump: Pump, obstacle: (to: Side) => string | undefined): void {
    this.#pump = pump
    this.#obstacle = obstacle
  }

  open(pump: Pump, protocol: string): void {
    this.#pump = pump
    this.#protocol = protocol
    this.#abandon = undefined
    if (this.#state === 'opening') this.#state = 'open'
  }

  /** The head of its first response has come. */
  markOpen(): void {
    if (this.#state === 'opening') this.#state = 'open'
  }

  markClosing(): void {
    if (this.#state === 'open') this.#state = 'closing'
  }

  markClosed(): void {
    this.#state = 'closed'
    this.#pump = undefined
    this.#abandon = undefined
    // A road of its own is gone by now; on another, what it said may still be on its way.
    if (!this.#isOnSharedRoads) this.thaw()
    for (const road of this.#roads) this.leaveRoad(road)
    this.#resolveClosed()
  }

  sendToClient(value: unknown, options?: SendOptions): void {
    this.#send('client', value, options)
  }

  sendToServer(value: unknown, options?: SendOptions): void {
    this.#send('server', value, options)
  }

  sendRawToClient(bytes: Uint8Array | string, options?: RawSendOptions): void {
    this.#sendRaw('client', bytes, options)
  }

  sendRawToServer(bytes: Uint8Array | string, options?: RawSendOptions): void {
    this.#sendRaw('server', bytes, options)
  }

  sendPing({ to = 'client', payload = '' }: { readonly to?: Side; readonly payload?: Uint8Array | string } = {}): void {
    const bytes = Buffer.from(payload)
    if (bytes.length > 125)
      throw new MidwireError(
        'MIDWIRE_BAD_INPUT',
        `sendPing(): a payload of ${bytes.length} bytes — at most 125 fit a control frame (RFC 6455 §5.5)`,
      )
    const pump = this.#running('sendPing')
    if (this.transport !== 'websocket')
      throw new MidwireError('MIDWIRE_BAD_USE', `sendPing() on connection ${this.id} (${this.url}): only a WebSocket has pings`)
    pump.push({ kind: 'ping', to, payload: bytes })
  }

  async flushed({ to = 'client' }: { readonly to?: Side } = {}): Promise<void> {
    const pump = this.#running('flushed')
    if (this.transport !== 'websocket') {
      throw new MidwireError(
        'MIDWIRE_BAD_USE',
        `flushed() on connection ${this.id} (${this.url}): HTTP does not tell when a body has been read; wait for what its reader does next`,
      )
    }
    await pump.fence(to)
  }

  close(code?: number, reason = '', { to = 'both' }: { readonly to?: Side | 'both' } = {}): void {
    const fault = closeFault(code, reason)
    if (fault) throw new MidwireError('MIDWIRE_BAD_INPUT', fault)
    this.#running('close').push({ kind: 'close', to, code, reason })
  }

  terminate({ closeNotify = true }: TerminateOptions = {}): void {
    if (this.#abandon) return this.#abandon()
    const pump = this.#running('terminate')
    this.#cutOff()
    if (!closeNotify && !this.#isOnSharedRoads) for (const road of this.#roads) road.cut('fin')
    pump.push({ kind: 'terminate', how: 'fin' })
  }

  reset(): void {
    if (this.#abandon) return this.#abandon()
    const pump = this.#running('reset')
    this.#cutOff()
    pump.push({ kind: 'terminate', how: 'rst' })
  }

  release(message: Message): void {
    // A message that went with its connection is released already.
    this.#pump?.push({ kind: 'release', message })
  }

  releaseFrame(frame: ControlFrame): void {
    this.#pump?.push({ kind: 'releaseFrame', frame })
  }

  /** Everything held or set aside goes on. */
  releaseAll(): void {
    this.#pump?.releaseAll()
  }

  /** Rules came or went. */
  rulesChanged(): void {
    this.#pump?.push({ kind: 'rules' })
  }

  /** Ends both legs at once, whatever is under way. */
  destroy(): void {
    if (this.#abandon) this.#abandon()
    else this.#pump?.destroy()
  }

  #send(to: Side, value: unknown, { at = 'tail' }: SendOptions = {}): void {
    if (at !== 'tail' && at !== 'now') throw new MidwireError('MIDWIRE_BAD_INPUT', `at: ${JSON.stringify(at)} — expected 'tail' or 'now'`)
    const pump = this.#receiving(to, to === 'client' ? 'sendToClient' : 'sendToServer')
    pump.push({ kind: 'send', to, payload: pump.encode(to, value), place: at })
  }

  #sendRaw(to: Side, bytes: Uint8Array | string, { at = 'tail', binary = typeof bytes !== 'string' }: RawSendOptions = {}): void {
    this.#receiving(to, to === 'client' ? 'sendRawToClient' : 'sendRawToServer').push({
      kind: 'send',
      to,
      payload: { bytes: Buffer.from(bytes), binary },
      place: at,
    })
  }

  #receiving(to: Side, verb: string): Pump {
    const pump = this.#running(verb)
    const obstacle = this.#obstacle?.(to)
    if (obstacle === undefined) return pump
    throw new MidwireError('MIDWIRE_BAD_USE', `${verb}() on connection ${this.id} (${this.url}): ${obstacle}`)
  }

  #running(verb: string): Pump {
    if (this.#pump) return this.#pump
    throw this.#badUse(verb)
  }

  /** What is on its way is lost, and nothing holds its end; where others travel, too, it goes on. */
  #cutOff(): void {
    if (this.#isOnSharedRoads) return this.thaw()
    for (const { waiting } of this.#frozen.values()) for (const fn of waiting.splice(0)) fn(false)
    for (const road of this.#roads) road.free()
  }

  #badUse(verb: string): MidwireError {
    return new MidwireError(
      'MIDWIRE_BAD_USE',
      `${verb}() on connection ${this.id} (${this.url}), which is ${this.#state}; expected an open one`,
    )
  }
}
