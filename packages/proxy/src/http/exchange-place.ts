import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import type { Cut, RequestHead, UpstreamHttp } from './sides.ts'
import type { Target } from './target.ts'

/** Where an exchange takes place. */
export interface ExchangePlace {
  /** Whose it is; `undefined` is relayed, and nothing more. */
  readonly scope: Scope | undefined
  readonly target: Target
  /** What upstream gets, where no rule changes it. */
  readonly onward: RequestHead
  /** Called when upstream is needed, and at most once. */
  openUpstream(): UpstreamHttp | Promise<UpstreamHttp>
  /** Upstream cannot be reached: reset the client, or answer 502 where it asked a proxy. */
  readonly onUnreachable: 'reset' | 'badGateway'
  /** Ends what connects to upstream, where nothing was asked there yet; HTTP/2 has nothing to end. */
  cutUpstream?: (cut: Cut) => void
  /** A rule cuts off the other side alone: this one is not to notice. */
  spare?: (side: Side) => void
  /** Called once; `failure` says in a few words why it did not run to its end. */
  onOver?(failure: string | undefined): void
}
