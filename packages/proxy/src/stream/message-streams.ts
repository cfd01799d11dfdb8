import type { EngineContext } from '../engine-context.ts'
import type { DeclaredStream, DeclaredStreams, ExchangeControl } from '../http/declared-streams.ts'
import type { RequestHead } from '../http/sides.ts'
import type { Target } from '../http/target.ts'
import type { Exchange } from '../journal/traffic-event.ts'
import type { Scope } from '../scope.ts'
import type { ResolvedStream } from './declaration.ts'
import { MessageStream } from './message-stream.ts'
import { StreamExchange } from './stream-exchange.ts'

interface KnownStream {
  readonly stream: MessageStream
  readonly declared: ResolvedStream
  /** What its exchanges have in common; `undefined` until one of them has told. */
  key: string | undefined
}

/** The declared streams of a proxy: finds the connection that an exchange belongs to, or opens one. */
export class MessageStreams implements DeclaredStreams {
  readonly #engine: EngineContext
  readonly #declared: readonly ResolvedStream[]
  #shared: KnownStream[] = []
  readonly #underWay = new Set<StreamExchange>()
  #onOver: (() => void) | undefined

  constructor(engine: EngineContext, declared: readonly ResolvedStream[]) {
    this.#engine = engine
    this.#declared = declared
  }

  /** `undefined` where nothing is declared. */
  static declared(engine: EngineContext, declared: readonly ResolvedStream[]): MessageStreams | undefined {
    return declared.length === 0 ? undefined : new MessageStreams(engine, declared)
  }

  of(scope: Scope, exchange: Exchange, target: Target, _head: RequestHead, control: ExchangeControl): DeclaredStream | undefined {
    const declared = this.#declared.find(stream => stream.matches(exchange))
    if (!declared) return undefined
    const stream = this.#streamOf(declared, scope, exchange, target)
    const onOver = (): void => {
      this.#underWay.delete(own)
      this.#onOver?.()
    }
    const own = new StreamExchange({ engine: this.#engine, stream, declared, control, exchange, onOver })
    this.#underWay.add(own)
    return own
  }

  async finished(inScope: (scope: Scope) => boolean): Promise<void> {
    const isFinished = (): boolean => ![...this.#underWay].some(one => one.isFinishing && inScope(one.connection.scope))
    while (!isFinished()) await new Promise<void>(resolve => (this.#onOver = resolve))
  }

  #streamOf(declared: ResolvedStream, scope: Scope, exchange: Exchange, target: Target): MessageStream {
    const isShared = declared.declaration.connectionKey !== undefined
    if (!isShared) return this.#open(declared, scope, exchange, target, false)
    const key = declared.keyOf(exchange)
    const known = key === undefined ? undefined : this.#find(declared, scope, exchange.host, key)
    if (known) return known
    const stream = this.#open(declared, scope, exchange, target, true)
    // Those that ended of themselves are not asked for any more; those that a test ended stay ended for their key.
    this.#shared = this.#shared.filter(
      ({ stream: { over, endedBy, connection } }) => !connection.scope.ended && (!over || endedBy !== undefined),
    )
    this.#shared.push({ stream, declared, key })
    return stream
  }

  #find(declared: ResolvedStream, scope: Scope, host: string, key: string): MessageStream | undefined {
    const candidates = this.#shared.filter(
      ({ stream: { connection }, declared: own }) => own === declared && connection.host === host && connection.scope.isRelatedTo(scope),
    )
    const known =
      candidates.find(candidate => candidate.key === key) ??
      candidates.find(candidate => candidate.key === undefined && candidate.stream.polls.hasTold(key))
    if (known) known.key = key
    return known?.stream
  }

  #open(declared: ResolvedStream, scope: Scope, exchange: Exchange, target: Target, isShared: boolean): MessageStream {
    const connection = this.#engine.sockets.open(scope, target, exchange, 'http')
    return new MessageStream(this.#engine, connection, declared.codec, isShared)
  }
}
