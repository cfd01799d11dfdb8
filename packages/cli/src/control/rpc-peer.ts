import { randomUUID } from 'node:crypto'
import { MidwireError } from '@midwire/sdk'
import { readIncoming, rpcCode, RpcError } from './json-rpc.ts'
import type { Incoming, RpcID } from './json-rpc.ts'

/** How a question to the other side came to an end. */
export type Answer =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'late' }
  | { readonly kind: 'lost' }

export interface RpcPeerOptions {
  /** Writes one text to the other side. */
  readonly send: (text: string) => void
  /** Answers a request, or takes a notification. @throws RpcError */
  readonly call: (method: string, params: unknown) => unknown
}

/** One side of JSON-RPC 2.0: answers the other's requests, one by one or in batches (§6), and asks it in turn. */
export class RpcPeer {
  readonly #send: (text: string) => void
  readonly #call: (method: string, params: unknown) => unknown
  readonly #questions = new Map<RpcID, (answer: Answer) => void>()
  #over = false

  constructor({ send, call }: RpcPeerOptions) {
    this.#send = send
    this.#call = call
  }

  /** Takes one text from the other side. */
  async receive(text: string): Promise<void> {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      return this.#write(refusal(null, new RpcError(rpcCode.parse, `this is no JSON: ${error instanceof Error ? error.message : ''}`)))
    }
    if (!Array.isArray(value)) {
      const answer = await this.#take(readIncoming(value))
      if (answer) this.#write(answer)
      return
    }
    if (value.length === 0) return this.#write(refusal(null, new RpcError(rpcCode.invalidRequest, 'a batch has one request or more')))
    const answers = await Promise.all(value.map(one => this.#take(readIncoming(one))))
    const told = answers.filter(answer => answer !== undefined)
    if (told.length > 0) this.#write(told)
  }

  /** Asks the other side. The answer always comes: also if the other side never answers, or goes away. */
  ask(method: string, params: unknown, timeout: number): Promise<Answer> {
    if (this.#over) return Promise.resolve({ kind: 'lost' })
    const id = randomUUID()
    return new Promise(resolve => {
      const timer = setTimeout(() => settle({ kind: 'late' }), timeout).unref()
      const settle = (answer: Answer): void => {
        clearTimeout(timer)
        this.#questions.delete(id)
        resolve(answer)
      }
      this.#questions.set(id, settle)
      this.#write({ jsonrpc: '2.0', id, method, params })
    })
  }

  notify(method: string, params: unknown): void {
    this.#write({ jsonrpc: '2.0', method, params })
  }

  /** The other side has gone: no question will be answered any more. */
  end(): void {
    this.#over = true
    for (const settle of [...this.#questions.values()]) settle({ kind: 'lost' })
  }

  async #take(incoming: Incoming): Promise<object | undefined> {
    switch (incoming.kind) {
      case 'invalid':
        return refusal(incoming.id, new RpcError(rpcCode.invalidRequest, incoming.why))
      case 'result':
        this.#questions.get(incoming.id)?.({ kind: 'result', result: incoming.result })
        return undefined
      case 'error':
        this.#questions.get(incoming.id)?.({ kind: 'error', text: incoming.text })
        return undefined
      case 'notification':
        // JSON-RPC 2.0 §4.1: "the Client would not be aware of any errors"
        await this.#answer(incoming.method, incoming.params, null)
        return undefined
      case 'request':
        return await this.#answer(incoming.method, incoming.params, incoming.id)
    }
  }

  async #answer(method: string, params: unknown, id: RpcID): Promise<object> {
    // In a turn of its own: what brought the text is no part of the stack that errors show.
    await Promise.resolve()
    try {
      const result = await this.#call(method, params)
      return { jsonrpc: '2.0', id, result: result ?? {} }
    } catch (error) {
      return refusal(id, asRpcError(error))
    }
  }

  #write(value: object): void {
    if (!this.#over) this.#send(JSON.stringify(value))
  }
}

function refusal(id: RpcID, { code, message, data }: RpcError): object {
  return { jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } }
}

function asRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error
  if (!(error instanceof MidwireError)) return new RpcError(rpcCode.internal, error instanceof Error ? error.message : String(error))
  const data = { code: error.code }
  if (error.code === 'MIDWIRE_BAD_INPUT' || error.code === 'MIDWIRE_CODEC') return new RpcError(rpcCode.invalidParams, error.message, data)
  if (error.code === 'MIDWIRE_UNMET' || error.code === 'MIDWIRE_UNEXPECTED') return new RpcError(rpcCode.unmet, error.message, data)
  return new RpcError(rpcCode.refused, error.message, data)
}
