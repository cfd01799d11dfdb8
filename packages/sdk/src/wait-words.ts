import type { Connection, Exchange, Message, TrafficEvent } from '@midwire/proxy'
import { checkFunction } from './bad-input.ts'
import type { CloseMatch, ConnectionMatch, MessageMatch, RequestMatch, RequestPredicate, ResponseMatch } from './matching.ts'
import { soughtClosing, soughtConnection, soughtEvent, soughtMessage } from './sought.ts'
import { soughtExchange } from './sought-exchange.ts'
import type { Closing, Sought } from './sought.ts'
import type { AbsenceOptions, Mark, WaitOptions } from './wait-options.ts'
import { expectNone, seek } from './waits.ts'
import { RuleStarts } from './rule-starts.ts'

/** Waits and absences: they read the journal of the current test from its start. */
export abstract class WaitWords<T> extends RuleStarts<T> {
  /** The first event for which the predicate is true. @throws MidwireError MIDWIRE_UNMET */
  waitFor(predicate: (event: TrafficEvent) => boolean, options?: WaitOptions): Promise<TrafficEvent> {
    return this.#seek(
      'waitFor',
      () => {
        checkFunction(predicate, 'waitFor(predicate)')
        return soughtEvent(predicate)
      },
      options,
    )
  }

  /** The first open connection that matches: its 101 has been written to the client. @throws MidwireError MIDWIRE_UNMET */
  waitForConnection(match?: ConnectionMatch | ((connection: Connection) => boolean), options?: WaitOptions): Promise<Connection> {
    return this.#seek('waitForConnection', () => soughtConnection('connection', match, 'waitForConnection(match)'), options)
  }

  /** The first message from a client that matches, whatever rules decide about it. @throws MidwireError MIDWIRE_UNMET */
  waitForClientMessage<U extends T>(match: (value: T, message: Message<T>) => value is U, options?: WaitOptions): Promise<Message<U>>
  waitForClientMessage(match?: MessageMatch<T>, options?: WaitOptions): Promise<Message<T>>
  waitForClientMessage(match?: unknown, options?: WaitOptions): Promise<unknown> {
    return this.#seek('waitForClientMessage', () => soughtMessage('client', match), options)
  }

  /** The first message from a server that matches, whatever rules decide about it. @throws MidwireError MIDWIRE_UNMET */
  waitForServerMessage<U extends T>(match: (value: T, message: Message<T>) => value is U, options?: WaitOptions): Promise<Message<U>>
  waitForServerMessage(match?: MessageMatch<T>, options?: WaitOptions): Promise<Message<T>>
  waitForServerMessage(match?: unknown, options?: WaitOptions): Promise<unknown> {
    return this.#seek('waitForServerMessage', () => soughtMessage('server', match), options)
  }

  /** The first HTTP request that matches; its response may be still to come. @throws MidwireError MIDWIRE_UNMET */
  waitForRequest(match?: RequestMatch | RequestPredicate, options?: WaitOptions): Promise<Exchange> {
    return this.#seek('waitForRequest', () => soughtExchange('request', match, 'waitForRequest(match)'), options)
  }

  /** The first exchange that matches and has its response's head. @throws MidwireError MIDWIRE_UNMET */
  waitForResponse(match?: ResponseMatch | RequestPredicate, options?: WaitOptions): Promise<Exchange> {
    return this.#seek('waitForResponse', () => soughtExchange('response', match, 'waitForResponse(match)'), options)
  }

  /** The first closing that matches: a close frame, or an end without one, which counts as code 1006. @throws MidwireError MIDWIRE_UNMET */
  waitForClose(match?: CloseMatch | ((closing: Closing) => boolean), options?: WaitOptions): Promise<Closing> {
    return this.#seek('waitForClose', () => soughtClosing(match, 'waitForClose(match)'), options)
  }

  /** Nothing that matches has come from a client so far, or comes within the options' reach. @throws MidwireError MIDWIRE_UNEXPECTED */
  expectNoClientMessage(match?: MessageMatch<T>, options?: AbsenceOptions): Promise<void> {
    return this.#expectNone('expectNoClientMessage', () => soughtMessage('client', match), options)
  }

  /** Nothing that matches has come from a server so far, or comes within the options' reach. @throws MidwireError MIDWIRE_UNEXPECTED */
  expectNoServerMessage(match?: MessageMatch<T>, options?: AbsenceOptions): Promise<void> {
    return this.#expectNone('expectNoServerMessage', () => soughtMessage('server', match), options)
  }

  /** No handshake that matches has been asked for so far, or is within the options' reach. @throws MidwireError MIDWIRE_UNEXPECTED */
  expectNoConnection(match?: ConnectionMatch | ((connection: Connection) => boolean), options?: AbsenceOptions): Promise<void> {
    return this.#expectNone('expectNoConnection', () => soughtConnection('handshake', match, 'expectNoConnection(match)'), options)
  }

  /** No HTTP request that matches has been sent so far, or is within the options' reach. @throws MidwireError MIDWIRE_UNEXPECTED */
  expectNoRequest(match?: RequestMatch | RequestPredicate, options?: AbsenceOptions): Promise<void> {
    return this.#expectNone('expectNoRequest', () => soughtExchange('request', match, 'expectNoRequest(match)'), options)
  }

  /** The present place in the order of everything that was seen, for `after` and `until`. */
  mark(): Mark {
    this.desk.state()
    return Object.freeze({ seq: this.desk.engine().journal.mark() })
  }

  #seek<R extends object>(call: string, sought: () => Sought<R>, options: WaitOptions | undefined): Promise<R> {
    const client = this.view
    if (!client) return seek(this.desk, call, sought, options)
    return seek(this.desk, `${client.text}.${call}`, () => client.narrow(sought()), options)
  }

  #expectNone(call: string, sought: () => Sought<object>, options: AbsenceOptions | undefined): Promise<void> {
    const client = this.view
    if (!client) return expectNone(this.desk, call, sought, options)
    return expectNone(this.desk, `${client.text}.${call}`, () => client.narrow(sought()), options)
  }
}
