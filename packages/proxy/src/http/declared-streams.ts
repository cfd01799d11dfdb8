import type { Exchange } from '../journal/traffic-event.ts'
import type { OwnResponse } from '../rule/request-rule.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import type { Body, ClientSide, Cut, RequestHead, ResponseHead } from './sides.ts'
import type { Target } from './target.ts'

/** A head and the body behind it, on their way to the other side. */
export interface Part<Head> {
  readonly head: Head
  readonly body: Body
}

/** Takes over the bodies of one exchange: what it returns goes on in place of what came. It must read what it is given, or end it. */
export interface DeclaredStream {
  /** True while its response is to come from elsewhere than from its own request. */
  readonly isKept: boolean
  request(head: RequestHead, body: Body): Part<RequestHead> | Promise<Part<RequestHead>>
  /** Upstream's own answer, or what a rule made of it; not asked about answers that rules gave in its place. */
  response(head: ResponseHead, body: Body): Part<ResponseHead> | Promise<Part<ResponseHead>>
  /** The exchange is over: `failure` says in a few words why, if it did not run to its end, and `by` which side ended it. */
  over(failure: string | undefined, by: Side | undefined): void
}

/** What who carries the messages of an exchange may do to it. */
export interface ExchangeControl {
  readonly client: Pick<ClientSide, 'version' | 'road'>
  /** Cuts both sides off. */
  fail(failure: string, cut: Cut): void
  /** Answers in upstream's place. */
  answer(response: OwnResponse): void
  /**
   * Answers before upstream has; what that answers later goes to `adopt`, and nothing if it ends before. In HTTP/1 the client's connection ends
   * with the answer, so that no other request waits behind the one that upstream still has.
   */
  answerAhead(response: OwnResponse, adopt: (head: ResponseHead | undefined, body: Body | undefined) => void): void
  /** Reads nothing more from upstream; the client's side goes on. */
  cutServer(cut: Cut): void
}

/** Which exchanges carry messages: asked after the rules, for each exchange of a scope that goes on to upstream. */
export interface DeclaredStreams {
  /** Resolves when the responses have been written whose streams came to their end in these scopes. */
  finished(inScope: (scope: Scope) => boolean): Promise<void>
  /** `head` is what upstream is to get; `undefined`: the exchange is relayed as it is. */
  of(scope: Scope, exchange: Exchange, target: Target, head: RequestHead, control: ExchangeControl): DeclaredStream | undefined
}
