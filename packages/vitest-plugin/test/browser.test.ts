import { existsSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { runFixtures } from './fixture-run.ts'
import type { FixtureRun } from './fixture-run.ts'

const chromium = process.env['CHROMIUM_PATH'] || '/usr/bin/chromium'
const isThere = existsSync(chromium)

describe.skipIf(!isThere)(`in a page of vitest's browser mode${isThere ? '' : ` (skipped: no ${chromium}, nor CHROMIUM_PATH)`}`, () => {
  let run: FixtureRun
  beforeAll(async () => {
    run = await runFixtures({ folder: 'browser-fixtures', files: ['page', 'block', 'failing'], env: { CHROMIUM_PATH: chromium } })
  }, 60_000)

  test('rules, waits and matchers work as they do in Node', () => {
    const passed = run.results.tests.filter(({ name }) => !name.startsWith('failing.fixture.ts'))
    expect(run.failures.filter(failure => !failure.startsWith('failing.fixture.ts'))).toEqual([])
    expect(passed.map(({ state }) => state)).toEqual(passed.map(() => 'passed'))
    expect(passed.length).toBe(17)
  })

  test('a wait that is not met says what was seen, at its line', () => {
    const [error] = run.test('a wait that is not met').errors
    expect(error?.name).toBe('UnmetExpectation [MIDWIRE_UNMET]')
    expect(error?.message.split('\n')).toEqual([
      expect.stringMatching(/^no client message matched \{ id: 2 \} within \d+ ms$/),
      '  at failing.fixture.ts:19 · test "a wait that is not met"',
      expect.stringMatching(/^ {2}wss:\/\/chat\.example\.com\/ {2}connection \d+, open$/),
      expect.stringContaining('server → client  text 22 B  { action: "CONNECTED" }'),
      expect.stringContaining('client → server  text 27 B  { action: "MESSAGE", id: 1 }'),
      expect.stringContaining('server → client  text 23 B  { action: "ACK", id: 1 }'),
    ])
  })

  test('a rule that never acted fails its test, and says where it is', () => {
    expect(run.test('a rule that never acted').errors.map(({ message }) => message)).toEqual([
      expect.stringContaining(
        'onClientMessage (failing.fixture.ts:23): the rule onClientMessage({ action: "NEVER" }).drop() never matched',
      ),
    ])
  })

  test('a predicate that throws fails its test', () => {
    expect(run.test('a predicate that throws').errors.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^onClientMessage \(failing\.fixture\.ts:28\) on client message 1 of connection \d+: no idea$/),
    )
  })

  test('a test that fails by itself gets the transcript', () => {
    const { annotations } = run.test('a failure of its own')
    expect(annotations).toEqual([{ type: 'wire', message: expect.stringContaining('{ action: "MESSAGE", id: 1 }') }])
  })

  test('concurrent tests are refused: nothing tells their connections apart', () => {
    const errors = ['one of two at a time', 'two of two at a time'].flatMap(name => run.test(name).errors)
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('cannot be concurrent')])
  })
})
