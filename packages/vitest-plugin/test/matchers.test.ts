import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { runFixtures } from './fixture-run.ts'
import type { FixtureRun } from './fixture-run.ts'

const source = readFileSync(join(import.meta.dirname, 'fixtures', 'matchers.fixture.ts'), 'utf8')

let run: FixtureRun
beforeAll(async () => {
  run = await runFixtures({ files: ['matchers'] })
}, 60_000)

test('importing the plugin is enough for its matchers', () => {
  expect(run.test('matchers that are met')).toMatchObject({ state: 'passed', errors: [] })
  expect(run.test('matchers that are polled')).toMatchObject({ state: 'passed', errors: [] })
})

test('a message that was not sent is told beside the nearest one, with the transcript, at its line', () => {
  const error = errorOf('a message that was not sent')
  expect(error).toMatch(/^expect\(proxy\)\.toHaveSent\(\{ action: "MESSAGE", text: "goodbye" \}\): no client message matched so far\n/)
  expect(error).toMatch(new RegExp(`\\n  at ${lineOf(`toHaveSent({ action: 'MESSAGE', text: 'goodbye' })`)} · test "a message that`))
  expect(error).toMatch(/client → server .* nearest: text "hello", expected "goodbye"\n/)
  expect(run.test('a message that was not sent').annotations).toEqual([])
})

test('vitest prints the difference to the nearest message', () => {
  const at = run.output.indexOf('expect(proxy).toHaveSent({ action: "MESSAGE", text: "goodbye" })')
  expect(run.output.slice(at)).toMatch(
    /- Expected\s+\+ Received\s+\{\s+"action": "MESSAGE",\s+- +"text": "goodbye",\s+\+ +"text": "hello",\s+\}/,
  )
})

test('the opposite of each is told too, with the lines that should not have been there', () => {
  const error = errorOf('a message that should not have been received')
  expect(error).toMatch(/^expect\(proxy\)\.not\.toHaveReceived\(\{ action: "ACK" \}\): 1 message to the client matched, expected none\n/)
  expect(error).toMatch(/server → client .*"ACK".* ← matched/)
  expect(run.test('a message that should not have been received').annotations).toEqual([])
})

test('messages out of order are told by how far they came', () => {
  expect(errorOf('messages out of order')).toMatch(/: no client message matched \{ action: "ATTACH" \} after 1 of 2\n/)
  expect(errorOf('too few connections')).toMatch(/^expect\(proxy\)\.toHaveConnected\(1\): never connected\n/)
})

test('a request that was not sent is told beside the nearest one', () => {
  const error = errorOf('a request that was not sent')
  expect(error).toMatch(/^expect\(proxy\)\.toHaveRequested\(\{ method: "POST", body: \{ name: "b" \} \}\): no request matched so far\n/)
  expect(error).toMatch(/POST 12 B {2}https:\/\/.*\/keys {2}200, .* nearest: body\.name "a", expected "b"\n/)
})

test('what is no proxy is told so', () => {
  expect(errorOf('something that is no proxy')).toBe('toHaveSent: expected expect() of an interception proxy, got {}')
})

/** The message of the only error of a fixture test. */
function errorOf(name: string): string {
  const { errors } = run.test(` > ${name}`)
  expect(errors).toHaveLength(1)
  return errors[0]?.message ?? ''
}

function lineOf(code: string): string {
  return `matchers.fixture.ts:${source.split('\n').findIndex(line => line.includes(code)) + 1}`
}
