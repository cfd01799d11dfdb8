import type { Connection, ControlFrame, Exchange, Message, RuleHandle } from '@midwire/sdk'
import { rpcCode, RpcError } from './json-rpc.ts'
import { closingJson, connectionJson, exchangeJson, messageJson } from './wire-json.ts'

type Held = Message | ControlFrame | Connection | Exchange

/** A rule that holds, whatever it is about. */
interface Holding extends RuleHandle {
  readonly held: readonly Held[]
  release(count: number): void
  releaseAll(): void
}

/** Tells the suite once of each thing that a rule holds. */
export class HeldThings {
  readonly #tell: (ruleID: string, held: object) => void
  readonly #rules = new Map<string, { readonly handle: Holding; readonly told: WeakSet<Held> }>()

  constructor(tell: (ruleID: string, held: object) => void) {
    this.#tell = tell
  }

  watch(ruleID: string, handle: RuleHandle): void {
    if (isHolding(handle)) this.#rules.set(ruleID, { handle, told: new WeakSet() })
  }

  forget(ruleID: string): void {
    this.#rules.delete(ruleID)
  }

  report(): void {
    for (const [ruleID, { handle, told }] of this.#rules) {
      for (const held of handle.held) {
        if (told.has(held)) continue
        told.add(held)
        this.#tell(ruleID, heldJson(held))
      }
    }
  }
}

/** Lets go the oldest things that a rule holds; without a count, all. How many it holds then. @throws RpcError unless it is one that holds */
export function release(ruleID: string, handle: RuleHandle, count: number | undefined): number {
  if (!isHolding(handle)) throw new RpcError(rpcCode.invalidParams, `release: "${ruleID}" is no rule that holds`)
  if (count === undefined) handle.releaseAll()
  else handle.release(count)
  return handle.held.length
}

/** How much a rule holds; 0 for one that never holds. */
export function heldBy(handle: RuleHandle): number {
  return isHolding(handle) ? handle.held.length : 0
}

function isHolding(handle: RuleHandle): handle is Holding {
  return 'held' in handle && 'releaseAll' in handle
}

function heldJson(held: Held): object {
  if ('payload' in held) {
    const { kind, payload } = held
    return kind === 'close' ? { close: closingJson(held) } : { kind, payload: Buffer.from(payload).toString('base64') }
  }
  if ('method' in held) return { exchange: exchangeJson(held) }
  return 'whenDelivered' in held ? { message: messageJson(held) } : { connection: connectionJson(held) }
}
