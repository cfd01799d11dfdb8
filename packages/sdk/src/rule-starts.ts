import type { ControlFrame, Match, Message, Side } from '@midwire/proxy'
import { checkChoice } from './bad-input.ts'
import { afterTurn } from './after-turn.ts'
import { Chaos, checkChaos, drawn, replayed } from './chaos.ts'
import type { ChaosGround, ChaosOptions } from './chaos.ts'
import type { ChaosFault } from './chaos-draw.ts'
import type { ClientView } from './client-view.ts'
import { ConnectRuleBuilder } from './connect-rule-builder.ts'
import { CloseRuleBuilder, ControlRuleBuilder } from './control-rule-builder.ts'
import type { ControlSubject } from './control-rule-builder.ts'
import { addHandlers } from './handlers-rule.ts'
import { connectKeys, factsMatch, matchOf } from './match-input.ts'
import type {
  CloseFrameMatch,
  ConnectMatch,
  ConnectPredicate,
  ControlPredicate,
  MessageMatch,
  PingMatch,
  RequestFactsPredicate,
  RequestMatch,
} from './matching.ts'
import { MessageRuleBuilder } from './message-rule-builder.ts'
import { checkHandlers, handlersMatch } from './msw-handlers.ts'
import type { MswRequestHandler } from './msw-handlers.ts'
import { ruleDesk } from './proxy-desk.ts'
import type { ProxyDesk } from './proxy-desk.ts'
import { checkRequestOptions, requestMatch } from './request-match.ts'
import type { RequestMatchOptions } from './request-match.ts'
import { RequestRuleBuilder } from './request-rule-builder.ts'
import type { RequestRuleHandle } from './request-rule-handle.ts'
import type { RuleDesk } from './rule-desk.ts'
import type { Draft, Lineage } from './rule-draft.ts'
import { callSite } from './source-line.ts'

/** Where rules begin: each start takes a match, and its builder the modifiers and the verb. */
export abstract class RuleStarts<T> {
  protected readonly desk: ProxyDesk
  protected readonly ruleDesk: RuleDesk
  /** One client of several, where it is narrowed to one. */
  protected readonly view: ClientView | undefined

  constructor(desk: ProxyDesk, view?: ClientView) {
    this.desk = desk
    this.ruleDesk = ruleDesk(desk, view)
    this.view = view
  }

  /** A rule on TCP connects (`refuse`, `failDns`, `timeout`) or on WebSocket handshakes (all other verbs). */
  onConnect(match?: ConnectMatch | ConnectPredicate): ConnectRuleBuilder<T> {
    const draft = this.draft('onConnect')
    factsMatch(match, connectKeys, 'onConnect(match)')
    draft.lineage.begin()
    return new ConnectRuleBuilder<T>(this.ruleDesk, match, draft, this.view)
  }

  /** A rule on HTTP requests; upgrades to WebSockets are met by `onConnect`. */
  onRequest(match?: RequestMatch | RequestFactsPredicate, options?: RequestMatchOptions): RequestRuleBuilder<T> {
    const draft = this.draft('onRequest')
    checkRequestOptions(options)
    const subject = requestMatch(match, options?.body)
    const narrowed = this.view?.onRequests(subject.match) ?? subject.match
    draft.lineage.begin()
    return new RequestRuleBuilder<T>(this.ruleDesk, { ...subject, match: narrowed }, draft)
  }

  /**
   * Answers HTTP requests with handlers of msw, as they are; they are asked in their order, the newest `use` first, and live as long as
   * the test or block. Its handle counts the requests that they were asked about.
   *
   * @throws MidwireError MIDWIRE_BAD_INPUT unless they are handlers of msw 3 for requests
   */
  use(...handlers: readonly MswRequestHandler[]): RequestRuleHandle {
    const draft = this.draft('use')
    checkHandlers(handlers)
    const match = handlersMatch(handlers)
    return addHandlers(this.ruleDesk, handlers, this.view?.onRequests(match) ?? match, draft)
  }

  /** A rule on what clients send. */
  onClientMessage(match?: MessageMatch<T>): MessageRuleBuilder<T> {
    return this.#onMessage('onClientMessage', 'client', match)
  }

  /** A rule on what servers send. */
  onServerMessage(match?: MessageMatch<T>): MessageRuleBuilder<T> {
    return this.#onMessage('onServerMessage', 'server', match)
  }

  /** A rule on messages of both directions. */
  onMessage(match?: MessageMatch<T>): MessageRuleBuilder<T> {
    return this.#onMessage('onMessage', undefined, match)
  }

  /** A rule on pings (RFC 6455 §5.5.2). */
  onPing(match?: PingMatch | ControlPredicate): ControlRuleBuilder<T> {
    const { draft, subject } = this.#onControl('onPing', 'ping', match)
    return new ControlRuleBuilder<T>(this.ruleDesk, subject, draft)
  }

  /** A rule on pongs (RFC 6455 §5.5.3). */
  onPong(match?: PingMatch | ControlPredicate): ControlRuleBuilder<T> {
    const { draft, subject } = this.#onControl('onPong', 'pong', match)
    return new ControlRuleBuilder<T>(this.ruleDesk, subject, draft)
  }

  /** A rule on close frames (RFC 6455 §5.5.1). */
  onClose(match?: CloseFrameMatch | ControlPredicate): CloseRuleBuilder<T> {
    const { draft, subject } = this.#onControl('onClose', 'close', match)
    return new CloseRuleBuilder<T>(this.ruleDesk, subject, draft)
  }

  /**
   * Lets random messages meet faults until the test ends: for soak tests. A failure shows the seed and the faults that were applied, for
   * `replay()`. Does not fail its test if it never acts.
   *
   * @throws MidwireError MIDWIRE_BAD_INPUT on what is no probability
   */
  chaos(options: ChaosOptions<T>): Chaos {
    checkChaos(options)
    const state = this.desk.state()
    const match = matchOf<unknown, Message>(options.match)
    const { seed = this.desk.engine().deriveSeed(state.seedKey, 'chaos', state.chaos.length) } = options
    return this.#chaos(new Chaos(this.#ground(match, options.from), 'chaos', drawn(seed, options), seed))
  }

  /** Applies exactly these faults, as a failure or `chaos().faults` told them. @throws MidwireError MIDWIRE_BAD_INPUT on what is no fault */
  replay(faults: readonly ChaosFault[]): Chaos {
    const decide = replayed(faults)
    return this.#chaos(new Chaos(this.#ground(matchOf(undefined), undefined), 'replay', decide, undefined, Object.freeze([...faults])))
  }

  #ground(match: Match<unknown, Message>, from: Side | undefined): ChaosGround {
    return { desk: this.desk, at: callSite().line, from, match: this.view?.onConnections(match) ?? match }
  }

  #chaos(chaos: Chaos): Chaos {
    this.desk.state().chaos.push(chaos)
    return chaos
  }

  /** Begins a rule: it must come to a verb. */
  protected draft(start: string, from?: Side): Draft & { readonly lineage: Lineage & { begin(): void } } {
    const state = this.desk.state()
    const lineage = {
      start: this.view ? `${this.view.text}.${start}` : start,
      at: callSite().line,
      scope: state.scope,
      fresh: true,
      used: false,
      // Only what was well begun must be brought to an end.
      begin: () => {
        state.lineages.push(lineage)
        afterTurn(() => {
          lineage.fresh = false
        })
      },
    }
    return { lineage, optional: false, ...(from && { from }) }
  }

  #onMessage(start: string, from: Side | undefined, match: unknown): MessageRuleBuilder<T> {
    const draft = this.draft(start, from)
    const built = matchOf<unknown, Message>(match)
    draft.lineage.begin()
    return new MessageRuleBuilder<T>(this.ruleDesk, this.view?.onConnections(built) ?? built, draft)
  }

  #onControl(start: string, control: ControlFrame['kind'], match: unknown): { draft: Draft; subject: ControlSubject } {
    const from = typeof match === 'object' && match !== null && 'from' in match ? match.from : undefined
    const draft = this.draft(start, undefined)
    checkChoice(from, ['client', 'server'], `${start}({ from })`)
    const keys = control === 'close' ? ['from', 'code', 'reason'] : ['from']
    const own = factsMatch<ControlFrame>(match, keys, `${start}(match)`)
    draft.lineage.begin()
    return {
      draft: { ...draft, ...(from === 'client' || from === 'server' ? { from } : {}) },
      subject: { control, match: this.view?.onConnections(own) ?? own },
    }
  }
}
