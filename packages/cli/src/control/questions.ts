import type { Connection, HandleVerdict, Message, Side } from '@midwire/sdk'
import { RawPayload } from './control-codec.ts'
import { bytesOf } from './json-value.ts'
import type { Answer, RpcPeer } from './rpc-peer.ts'
import { connectionIDOf, dataOf, messageIDOf } from './wire-json.ts'

export interface QuestionsOptions {
  readonly peer: RpcPeer
  /** ms that an answer may take. */
  readonly timeout: number
  /** A message passed because it was not decided: why. */
  readonly onUndecided: (message: Message, why: string) => void
}

/** Asks the test suite what becomes of messages: of one connection and direction one at a time, in their order. */
export class Questions {
  readonly #options: QuestionsOptions
  readonly #last: Record<Side, WeakMap<Connection, Promise<unknown>>> = { client: new WeakMap(), server: new WeakMap() }
  readonly #end = Promise.withResolvers<Answer>()
  #over = false

  constructor(options: QuestionsOptions) {
    this.#options = options
  }

  /** Whatever goes wrong, there is an answer: the message passes. */
  ask(message: Message): Promise<HandleVerdict<unknown>> {
    const last = this.#last[message.from]
    const answer = (last.get(message.connection) ?? Promise.resolve()).then(() => this.#ask(message))
    last.set(message.connection, answer)
    return answer
  }

  /** From now on everything passes, unasked, and so does what is being asked about. */
  end(): void {
    this.#over = true
    this.#end.resolve({ kind: 'lost' })
  }

  async #ask(message: Message): Promise<HandleVerdict<unknown>> {
    const { peer, timeout } = this.#options
    if (this.#over) return undefined
    if (message.evicted) return this.#pass(message, 'its payload had left the journal before it could be asked about')
    const asked = peer.ask('transformInterceptedMessage', questionAbout(message), timeout)
    const answer = await Promise.race([asked, this.#end.promise])
    switch (answer.kind) {
      case 'late':
        return this.#pass(message, `no answer came within ${timeout} ms`)
      case 'lost':
        return this.#pass(message, 'the session ended, or its control connection was lost, before the answer came')
      case 'error':
        return this.#pass(message, `the answer was an error: ${answer.text}`)
      case 'result':
        try {
          return verdictOf(answer.result)
        } catch (error) {
          return this.#pass(message, `the answer makes no sense: ${error instanceof Error ? error.message : String(error)}`)
        }
    }
  }

  #pass(message: Message, why: string): undefined {
    this.#options.onUndecided(message, why)
    return undefined
  }
}

function questionAbout(message: Message): object {
  return {
    id: messageIDOf(message),
    connectionID: connectionIDOf(message.connection),
    ...dataOf(message.bytes, message.binary),
    fromClient: message.from === 'client',
  }
}

/** @throws Error on what is no verdict */
function verdictOf(answer: unknown): HandleVerdict<unknown> {
  const { action, type, data } = (typeof answer === 'object' && answer !== null ? answer : {}) as Readonly<Record<string, unknown>>
  switch (action) {
    case 'pass':
    case 'drop':
      return { kind: action }
    case 'replace':
      return { kind: 'replace', value: rawPayload(type, data) }
    default:
      throw new Error(`action: expected "pass", "drop" or "replace", got ${JSON.stringify(action)}`)
  }
}

/** @throws Error, or RpcError, unless `type` is 'text' or 'binary' and `data` its payload */
export function rawPayload(type: unknown, data: unknown): RawPayload {
  if (type !== 'text' && type !== 'binary') throw new Error(`type: expected "text" or "binary", got ${JSON.stringify(type)}`)
  if (typeof data !== 'string') throw new Error(`data: expected a string, got ${JSON.stringify(data)}`)
  return new RawPayload(type === 'text' ? data : bytesOf(data, 'data'))
}
