import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { runFixtures } from './fixture-run.ts'
import type { FixtureRun } from './fixture-run.ts'

const source = readFileSync(join(import.meta.dirname, 'fixtures', 'failing.fixture.ts'), 'utf8')

let run: FixtureRun
beforeAll(async () => {
  run = await runFixtures({ files: ['failing'] })
}, 60_000)

test('a wait that is not met says what was seen, and points to its line', () => {
  const lines = errorOf('a wait that is not met').split('\n')
  expect(lines[0]).toMatch(/^UnmetExpectation \[MIDWIRE_UNMET\]: no server message matched \{ action: "ACK" \} within \d+ ms$/)
  expect(lines[1]).toMatch(/^ {2}at failing\.fixture\.ts:\d+ · test "a wait that is not met"$/)
  expect(lines.at(-4)).toMatch(/^ {2}wss:\/\/main\.realtime\.example\.com\/\?v=6 {2}connection \d+, open$/)
  expect(lines.at(-3)).toMatch(/^ {4}\+\d+ ms {2}server → client {2}text 22 B {2}\{ action: "CONNECTED" \}$/)
  expect(lines.at(-2)).toMatch(
    /^ {4}\+\d+ ms {2}client → server {2}text 49 B {2}.*dropped by "lose the message" \(failing\.fixture\.ts:\d+\)$/,
  )
  expect(lines.at(-1)).toMatch(/^ {2}rules: "lose the message" .*acted once$/)
  expect(placeOf('a wait that is not met')).toBe(lineOf("await proxy.waitForServerMessage({ action: 'ACK' })"))
})

test('a wait ends before vitest ends the test', () => {
  expect(Number(/within (\d+) ms/.exec(errorOf('a wait that is not met'))?.[1])).toBeLessThan(1500)
})

describe('a rule of a test that never acts (T100)', () => {
  test('fails it, at its line', () => {
    expect(errorOf('a rule that never acts')).toMatch(/^UnusedRule \[MIDWIRE_UNUSED_RULE\].*onClientMessage.*"ATTACH".*never matched/)
    expect(placeOf('a rule that never acts')).toBe(lineOf("onClientMessage({ action: 'ATTACH' }).drop()"))
  })

  test('is a line of the transcript where the test fails by itself', () => {
    expect(errorOf('a rule that never acts in a test that fails by itself')).toMatch(/^AssertionError: expected 1 to be 2/)
    expect(transcriptOf('a rule that never acts in a test that fails by itself')).toMatch(/also: "lose the attach".*never matched/)
  })

  test('is named with the newer rule that shadows it', () => {
    expect(errorOf('a rule that a newer one shadows')).toMatch(/"older".*shadowed by "newer"/)
  })

  test('changes nothing where failing is right, or where the test was skipped', () => {
    expect(run.test('a test that is meant to fail').state).toBe('passed')
    expect(run.test('a test that is skipped while it runs')).toMatchObject({ state: 'skipped', errors: [] })
  })
})

test('a builder without a verb fails its test, at its line', () => {
  expect(errorOf('a builder without a verb')).toMatch(/\[MIDWIRE_BAD_USE\].*onClientMessage.*has no verb/)
  expect(placeOf('a builder without a verb')).toBe(lineOf('.once()'))
})

test('a second identical wait is an error at its line, which names the first', () => {
  const [first, second] = linesOf("await proxy.waitForClientMessage({ action: 'MESSAGE' })")
  expect(errorOf('a second identical wait')).toContain(`the same wait as at ${first}`)
  expect(placeOf('a second identical wait')).toBe(second)
})

test('a handler that throws fails its test at the line of the rule, and its message passes', () => {
  expect(errorOf('a handler that throws')).toMatch(/\[MIDWIRE_RULE_FAILED\].*the handler is broken/)
  expect(transcriptOf('a handler that throws')).toMatch(/server → client.*ACK/)
})

test('a handler that never answers fails its test before the waits of the test do, and its message passes', () => {
  expect(errorOf('a handler that never answers')).toMatch(/\[MIDWIRE_RULE_FAILED\].*"undecided".*did not answer within \d+ ms/)
  expect(transcriptOf('a handler that never answers')).toMatch(/server → client.*ACK/)
})

test('a wait that nobody awaits fails its test', () => {
  expect(errorOf('a wait that nobody awaits')).toMatch(/was still waiting when its test ended; await it/)
})

test('a test that times out gets its transcript', () => {
  expect(errorOf('a test that times out')).toMatch(/^TestTimeoutError/)
  expect(transcriptOf('a test that times out')).toMatch(/wss:\/\/main\.realtime\.example\.com.*connection \d+, open\n.*CONNECTED/)
})

test('the transcript of a retried test tells the attempts apart', () => {
  expect(run.test('a test that fails at first').state).toBe('passed')
  expect(transcriptOf('a test that fails at first')).toContain('by attempt 1')
  expect(transcriptOf('a test that fails at first')).not.toContain('attempt 2')
})

test('a rule of a block that fails, fails the test whose traffic it was', () => {
  expect(errorOf('a block whose rule fails > while a test runs')).toMatch(/\[MIDWIRE_RULE_FAILED\].*the patch is broken/)
})

test('two concurrent tests with deciding rules on one connection fail, each naming both', () => {
  for (const name of ['first', 'second']) {
    const error = errorOf(`two tests on one connection > the ${name} decides`)
    expect(error).toMatch(/"the (first|second) decides".*and "the (first|second) decides"/)
    expect(error).toContain('"two tests on one connection"')
  }
})

test('nothing of a failed test is left to the next one', () => {
  expect(run.test('the last one is as it should be')).toMatchObject({ state: 'passed', errors: [] })
  expect(run.results.suites.flatMap(suite => suite.errors)).toEqual([])
  expect(run.results.unhandled).toEqual([])
})

test('the default reporter prints the transcript under the error', () => {
  const at = run.output.indexOf('AssertionError: expected 1 to be 2')
  expect(run.output.slice(at)).toMatch(/wire\n.*seen on the wire\n.*nothing was seen/)
})

/** The only error of a fixture test, as one text. */
function errorOf(name: string): string {
  const { errors } = run.test(` > ${name}`)
  expect(errors.map(error => error.message)).toHaveLength(1)
  const [error] = errors
  return `${error?.name}: ${error?.message}`
}

/** The annotations that hold what was seen, as one text. */
function transcriptOf(name: string): string {
  const { annotations } = run.test(` > ${name}`)
  return annotations.flatMap(({ type, message }) => (type === 'wire' ? [message] : [])).join('\n')
}

/** The line of the fixture file that the error points to. */
function placeOf(name: string): string | undefined {
  const frames = run.test(` > ${name}`).errors[0]?.stack.split('\n') ?? []
  return /[^/(]+\.fixture\.ts:\d+/.exec(frames.find(line => /^ +at .*\.fixture\.ts:\d+:\d+/.test(line)) ?? '')?.[0]
}

/** `failing.fixture.ts:12`, for the first line of the fixture file that holds `code`. */
function lineOf(code: string): string | undefined {
  return linesOf(code)[0]
}

function linesOf(code: string): string[] {
  return source.split('\n').flatMap((line, index) => (line.includes(code) ? [`failing.fixture.ts:${index + 1}`] : []))
}
