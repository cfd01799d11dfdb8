import { expect, test } from 'vitest'
import type { Connection } from '../connection.ts'
import type { Message } from '../message.ts'
import { Scope } from '../scope.ts'
import { judge, undisturbed } from './judge.ts'
import type { MessageAction } from './rule.ts'
import { RuleSet } from './rule-set.ts'

const block = new Scope('block')
const first = new Scope('first test', block)
const second = new Scope('second test', block)

/** What the rules make of one message on a connection of the block. */
function judged(...declared: readonly { scope: Scope; action: MessageAction; matches: boolean }[]): {
  verdict: unknown
  failures: string[]
} {
  const rules = new RuleSet()
  const connection = { id: 7, scope: block } as Connection
  const message = { value: 'hello', connection, from: 'client' } as Message
  for (const { scope, action, matches } of declared) {
    rules.add({
      on: 'message',
      scope,
      at: { file: '/chat.test.ts', line: 3, column: 1 },
      start: 'onMessage',
      optional: false,
      from: undefined,
      match: { test: () => matches, text: 'any' },
      action,
      then: [],
    })
  }
  const failures: string[] = []
  const failed = (run: { rule: { scope: Scope } }, _: Message, error: unknown): void => {
    failures.push(`${run.rule.scope.name}: ${error instanceof Error ? error.message : ''}`)
  }
  const { verdict } = judge(rules.messageRules(connection, 'client'), message, {
    freshValue: () => 'hello',
    encode: () => undisturbed.payload!,
    failed,
  })
  return { verdict, failures }
}

test('deciding rules of two tests on one connection fail both, naming both, and the message passes', () => {
  const { verdict, failures } = judged(
    { scope: first, action: { kind: 'drop' }, matches: true },
    { scope: second, action: { kind: 'drop' }, matches: false },
  )
  expect(verdict).toEqual({ kind: 'pass' })
  expect(failures.map(text => text.split(':')[0])).toEqual(['first test', 'second test'])
  expect(failures[0]).toContain('connection 7 belongs to "block"')
  expect(failures[0]).toContain('"first test" (onMessage (chat.test.ts:3)) and "second test"')
})

test('an observer of another test contradicts nobody, nor does a rule of a block around', () => {
  const { verdict, failures } = judged(
    { scope: first, action: { kind: 'drop' }, matches: true },
    { scope: second, action: { kind: 'observe', fn: () => {} }, matches: true },
    { scope: block, action: { kind: 'delay', ms: 1 }, matches: true },
  )
  expect(verdict).toEqual({ kind: 'drop' })
  expect(failures).toEqual([])
})
