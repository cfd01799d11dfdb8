import { messageOf } from '../errors.ts'
import { RequestHearing } from '../rule/request-hearing.ts'
import type { EditableRequest, EditableResponse, RequestFacts, RequestRule } from '../rule/request-rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import { askHandler } from './ask-handler.ts'
import type { Part } from './declared-streams.ts'
import type { Detour, Source } from './detour.ts'
import { editRequest, editResponse } from './edited-message.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import type { RunningExchange } from './exchange.ts'
import { hasMember } from './raw-headers.ts'
import { ReadAhead } from './read-ahead.ts'
import { RequestMatter } from './request-matter.ts'
import type { Body, RequestHead, ResponseHead } from './sides.ts'

type Run = RuleRun<RequestRule>

/** Bytes of a body that are read for a rule that wants to see or change it. */
export const bodyLimit: number = 16 * 1024 * 1024

/** Asks the rules about a request, and does what the one that decides wants. */
export async function applyRules(exchange: RunningExchange, record: ExchangeRecord, runs: readonly Run[]): Promise<void> {
  await new RequestRules(exchange, record, runs).apply()
}

class RequestRules {
  readonly #exchange: RunningExchange
  readonly #record: ExchangeRecord
  readonly #ahead: ReadAhead
  readonly #matter: RequestMatter
  readonly #hearing: RequestHearing
  #later: (() => void) | undefined

  constructor(exchange: RunningExchange, record: ExchangeRecord, runs: readonly Run[]) {
    const { client, place } = exchange
    this.#exchange = exchange
    this.#record = record
    this.#matter = new RequestMatter(client.head, place.target)
    this.#hearing = new RequestHearing(runs, this.#matter, record, place.scope, (run, error) =>
      exchange.ruleFailed(run, error, `the match of ${nameOf(run)} threw: ${messageOf(error)}`),
    )
    this.#ahead = new ReadAhead(client.body, bodyLimit, {
      onBegin: () => {
        if (client.version !== '1.0' && hasMember(client.head.rawHeaders, 'expect', '100-continue')) exchange.tellToContinue()
      },
      onChunk: exchange.countRequest,
      onEnd: exchange.requestEnded,
    })
  }

  async apply(): Promise<void> {
    const exchange = this.#exchange
    for (;;) {
      const found = this.#inScope(() => this.#hearing.ask())
      if (found === 'body') {
        await this.#readBody('a match')
        if (exchange.over) return
        continue
      }
      if (!found) return exchange.forward(exchange.place.onward, this.#source(), {})
      this.#record.decidedBy = found.label
      const { action } = found.rule
      this.#record.decision = action.kind === 'fault' ? action.how : action.kind
      if (action.kind !== 'handle') this.#conclude()
      if ((await this.#carryOut(found)) === 'done' || exchange.over) return
    }
  }

  async #carryOut(run: Run): Promise<'done' | 'pass'> {
    const exchange = this.#exchange
    const { onward } = exchange.place
    const { action } = run.rule
    const on = (detour: Detour): 'done' => (exchange.forward(onward, this.#source(), detour), 'done')
    switch (action.kind) {
      case 'observe':
        return 'pass'
      case 'respondWith':
        exchange.answer(action.response, this.#source())
        return 'done'
      case 'forwardThen':
        return on({ instead: action.response })
      case 'patchRequest':
        await this.#readBody(run.label)
        if (!exchange.over) await this.#patchRequest(run, onward, action.fn)
        return 'done'
      case 'patchResponse':
        return on({ edit: (head, body) => this.#patchResponse(run, head, body, action.fn) })
      case 'hold':
        if (action.at === 'response') return on({ pause: () => this.#hold(run, 'response') })
        await this.#hold(run, 'request')
        return on({})
      case 'delay':
        if (action.at === 'response') return on({ pause: () => this.#delay(action.ms) })
        await this.#delay(action.ms)
        return on({})
      case 'fault': {
        const fault = { how: action.how, at: action.at, to: action.to, label: run.label }
        if (action.at !== 'beforeRequest') return on({ fault })
        exchange.break(fault)
        return 'done'
      }
      case 'handle':
        return this.#handle(run, action.fn)
    }
  }

  async #handle(run: Run, fn: Parameters<typeof askHandler>[2]): Promise<'done' | 'pass'> {
    const exchange = this.#exchange
    const answer = await askHandler(exchange, run, fn, this.#ahead)
    if (exchange.over) return 'done'
    if (answer === 'pass') {
      this.#record.decidedBy = undefined
      this.#record.decision = undefined
      return 'pass'
    }
    this.#conclude()
    if (answer === 'passthrough') exchange.forward(exchange.place.onward, this.#source(), {})
    else if (answer === 'error') exchange.break({ how: 'reset', at: 'beforeRequest', to: 'both', label: run.label })
    else exchange.answer(answer, this.#source())
    return 'done'
  }

  async #patchRequest(run: Run, onward: RequestHead, fn: (request: EditableRequest) => unknown): Promise<void> {
    const exchange = this.#exchange
    const { client, place } = exchange
    const raw = this.#ahead.whole ? this.#ahead.bytes : undefined
    const { body, onChunk } = this.#source()
    const asIs = { head: onward, body }
    const part = await this.#edit(run, asIs, () =>
      editRequest(onward, body, raw, { target: place.target, version: client.version, fn, limit: bodyLimit }),
    )
    exchange.forward(part.head, { body: part.body, onChunk }, {})
  }

  async #patchResponse(
    run: Run,
    head: ResponseHead,
    body: Body,
    fn: (response: EditableResponse, request: RequestFacts) => unknown,
  ): Promise<Part<ResponseHead>> {
    const exchange = this.#exchange
    const ahead = new ReadAhead(body, bodyLimit, { onBegin: nothing, onChunk: nothing, onEnd: nothing })
    await ahead.all()
    if (!ahead.whole) exchange.note(`its response is larger than ${bodyLimit} bytes: ${run.label} can change its head only`)
    const raw = ahead.whole ? ahead.bytes : undefined
    const asIs = { head, body: ahead.rest() }
    const { method } = exchange.client.head
    return this.#edit(run, asIs, async () => {
      const part = await editResponse(head, asIs.body, raw, { method, fn: response => fn(response, this.#matter.facts), limit: bodyLimit })
      if (part !== undefined) exchange.engine.exchanges.deliver(this.#record, part.head, part.bytes)
      return part
    })
  }

  /** What a function of the test made of a part; as it was, where that throws or takes too long. */
  async #edit<P extends Part<unknown>>(run: Run, asIs: P, edit: () => Promise<P | undefined>): Promise<P> {
    const exchange = this.#exchange
    try {
      return (await exchange.inTime(run, () => this.#inScope(edit))) ?? asIs
    } catch (error) {
      if (!exchange.over)
        exchange.ruleFailed(run, error, `${nameOf(run)} could not change it, and it passed as it was: ${messageOf(error)}`)
      return asIs
    }
  }

  async #hold(run: Run, what: 'request' | 'response'): Promise<void> {
    const exchange = this.#exchange
    exchange.note(`${what} held by ${run.label}`)
    const released = exchange.pause()
    run.holdExchange(this.#record, () => exchange.resume())
    await released
    run.unholdExchange(this.#record)
  }

  async #delay(ms: number): Promise<void> {
    const { clock } = this.#exchange.engine
    const timer = clock.after(ms, () => this.#exchange.resume())
    await this.#exchange.pause()
    clock.cancel(timer)
  }

  /** Reads the body, as far as that may be, for whoever wants to see it. */
  async #readBody(who: string): Promise<void> {
    const exchange = this.#exchange
    if (this.#matter.hasBody) return
    await this.#ahead.all()
    if (exchange.over) return
    if (!this.#ahead.whole) exchange.note(`its body is larger than ${bodyLimit} bytes: ${who} sees only what came until then`)
    this.#matter.fill(exchange.client.head, this.#ahead.bytes)
  }

  /** Counts what the rules behind the one that decided match: at once, or once the body has come. */
  #conclude(): void {
    this.#later = this.#inScope(() => this.#hearing.conclude())
    const later = this.#later
    if (!later) return
    this.#exchange.onRequestEnd(() => {
      if (!this.#matter.hasBody) this.#matter.fill(this.#exchange.client.head, this.#record.kept.raw ?? new Uint8Array(0))
      this.#inScope(later)
    })
  }

  /** The request's body, from its start. */
  #source(): Source {
    if (this.#ahead.unread) return this.#exchange.source
    return { body: this.#ahead.rest(), onChunk: undefined }
  }

  #inScope<T>(fn: () => T): T {
    const { engine, place } = this.#exchange
    return place.scope ? engine.run(place.scope, fn) : fn()
  }
}

function nameOf({ rule }: Run): string {
  return rule.name ?? rule.start
}

function nothing(): void {}
