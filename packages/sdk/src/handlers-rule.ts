import type { Match, RequestFacts, RequestRule } from '@midwire/proxy'
import { askHandlers, isBypassed, thrownAnswer, withoutBypass } from './msw-handlers.ts'
import type { MswRequestHandler } from './msw-handlers.ts'
import { RequestRuleHandle } from './request-rule-handle.ts'
import type { RuleDesk } from './rule-desk.ts'
import { ruleParts } from './rule-draft.ts'
import type { Draft } from './rule-draft.ts'

/** Live handlers of msw: one rule for all of them, and one before it for what must not meet them. */
export function addHandlers(
  desk: RuleDesk,
  handlers: readonly MswRequestHandler[],
  match: Match<RequestFacts, RequestFacts>,
  draft: Draft,
): RequestRuleHandle {
  const { from: _, ...rest } = ruleParts({ ...draft, optional: true })
  const origin = desk.declare(draft)
  const rule: RequestRule = Object.freeze({
    on: 'request',
    ...rest,
    ...origin,
    match,
    needsBody: false,
    action: Object.freeze({ kind: 'handle', fn: ask }),
  })
  async function ask(request: Request): ReturnType<typeof askHandlers> {
    try {
      return await askHandlers(handlers, request)
    } catch (error) {
      const answer = thrownAnswer(error)
      const became = answer === 'error' ? 'a failed connection' : typeof answer === 'object' ? `a ${answer.status}` : answer
      if (!(error instanceof Response))
        desk.note(rule.scope, `a handler of ${request.method} ${request.url} threw, and the client got ${became}: ${String(error)}`)
      return answer
    }
  }
  const handle = new RequestRuleHandle(desk, rule)
  // Newer, so that it is asked first: what `bypass()` made goes to upstream as it would have been without the mark.
  const bypass: RequestRule = {
    ...rule,
    match: { ...match, test: (facts, subject) => isBypassed(facts) && match.test(facts, subject) },
    action: {
      kind: 'patchRequest',
      fn: request => {
        request.headers['accept'] = withoutBypass(request.headers['accept'])
      },
    },
  }
  desk.addBeside(rule, bypass)
  desk.whenDisposed(rule, () => {
    for (const handler of handlers) {
      handler.reset?.()
      void handler.dispose?.()
    }
  })
  return handle
}
