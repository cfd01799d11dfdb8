import { MidwireError } from '@midwire/sdk'
import { nearest } from '../nearest.ts'
import type { ControlDesk } from './control-desk.ts'
import { rpcCode, RpcError } from './json-rpc.ts'
import { methods } from './methods.ts'
import { Params } from './params.ts'
import { RpcPeer } from './rpc-peer.ts'
import { Session } from './session.ts'

/** ms that an answer may take where the suite does not say. */
const defaultDecisionTimeout = 5000

const own = ['startInterception', 'stopInterception', 'mitmproxyReady'] as const

/** One control connection: speaks JSON-RPC with a test suite, and holds its session. */
export class ControlLink {
  readonly #desk: ControlDesk
  readonly #peer: RpcPeer
  readonly #nextID: () => string
  #session: Session | undefined
  #over = false

  constructor(desk: ControlDesk, send: (text: string) => void, nextID: () => string) {
    this.#desk = desk
    this.#nextID = nextID
    this.#peer = new RpcPeer({ send, call: (method, params) => this.#call(method, params) })
  }

  receive(text: string): Promise<void> {
    return this.#peer.receive(text)
  }

  /** The suite has gone. */
  end(): void {
    this.#over = true
    this.#peer.end()
    this.#session?.retire()
    this.#session = undefined
  }

  #call(name: string, given: unknown): unknown {
    switch (name) {
      case 'startInterception':
        return this.#start(new Params(name, given, ['mode', 'pid', 'transform', 'decisionTimeout']))
      case 'stopInterception':
        return this.#stop(new Params(name, given, []))
      case 'mitmproxyReady':
        // What stands in front of the proxy says so; that needs no answer.
        this.#session?.note('what stands in front is ready: mitmproxyReady')
        return undefined
    }
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined
    if (method === undefined) throw unknownMethod(name)
    const session = this.#live(name)
    return unlessOver(session, method.run(session, new Params(name, given, method.params)))
  }

  #start(params: Params): object {
    const mode = params.choice('mode', ['proxy', 'local'] as const)
    const transform = params.optionalBoolean('transform') ?? true
    const decisionTimeout = params.optionalInteger('decisionTimeout', 1) ?? defaultDecisionTimeout
    if (mode === 'proxy' && params.has('pid'))
      throw new RpcError(
        rpcCode.invalidParams,
        'startInterception: "pid" belongs to mode "local"; with mode "proxy" the client is told of the proxy',
      )
    const pid = mode === 'local' ? params.integer('pid', 1) : undefined
    if (this.#session)
      throw new RpcError(
        rpcCode.refused,
        `startInterception: ${this.#session.id} is active on this connection; stopInterception ends it, and another connection has a session of its own`,
      )
    const session = begin(() => new Session(this.#desk, this.#peer, { id: this.#nextID(), transform, pid, decisionTimeout }))
    this.#session = session
    const { engine } = this.#desk
    // It goes out behind the answer, which is written at the end of this turn.
    setImmediate(() => {
      if (!this.#over) this.#peer.notify('mitmproxyReady', { session: session.id })
    })
    return {
      session: session.id,
      proxyUrl: engine.proxyUrl(session.scope),
      env: engine.env(session.scope),
      certificate: engine.certificate,
    }
  }

  async #stop(_params: Params): Promise<object> {
    const session = this.#live('stopInterception')
    this.#session = undefined
    return { failures: await session.stop() }
  }

  #live(method: string): Session {
    if (this.#session) return this.#session
    throw new RpcError(rpcCode.refused, `${method}: no interception is active on this connection; startInterception begins one`)
  }
}

/** Whoever calls is answered also where the session ends before there is a result. */
function unlessOver(session: Session, result: unknown): unknown {
  if (!(result instanceof Promise)) return result
  const { over } = session
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(over.reason)
    over.addEventListener('abort', stop)
    result.then(resolve, reject).finally(() => over.removeEventListener('abort', stop))
  })
}

/** @throws RpcError that says what else there is for a process that cannot be taken over */
function begin(start: () => Session): Session {
  try {
    return start()
  } catch (error) {
    if (!(error instanceof MidwireError) || error.code !== 'MIDWIRE_CAPTURE') throw error
    const ways =
      'mode "local" is for processes on Node that were started with the "env" that the server prints; others take mode "proxy", or are redirected by the system (docs/transparent.md)'
    throw new RpcError(rpcCode.refused, `startInterception: ${error.message.split(';')[0]}; ${ways}`, { code: error.code })
  }
}

function unknownMethod(name: string): RpcError {
  const known = [...own, ...Object.keys(methods)]
  const meant = nearest(name, known)
  const hint = meant === undefined ? `known are ${known.join(', ')}` : `did you mean "${meant}"?`
  return new RpcError(rpcCode.unknownMethod, `there is no method "${name}"; ${hint}`)
}
