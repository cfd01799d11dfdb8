import { expect, test } from 'vitest'
import { failureText, ruleText, times } from './failure-text.ts'
import type { FailureReport } from './failure-text.ts'
import type { TranscriptLine } from './transcript.ts'

const report: FailureReport = {
  headline: 'no client message matched { action: "ATTACH" } within 4800 ms',
  place: 'channel.test.ts:41',
  testName: 'reattaches after DETACHED',
  transcript: [
    {
      title: 'wss://main.realtime.example.com/?v=6  connection 1, open',
      lines: [
        { at: 12, way: 'server → client', type: 'text', bytes: 118, summary: '{ action: "CONNECTED" }' },
        {
          at: 15.3,
          way: 'client → server',
          type: 'text',
          bytes: 64,
          summary: '{ action: "ATTACH", channel: "a" }',
          outcome: 'dropped by "lose first attach" (channel.test.ts:33)',
        },
        {
          at: 31,
          way: 'client → server',
          type: 'text',
          bytes: 66,
          summary: '{ action: "ATTACH", channel: "b" }',
          nearest: 'channel "b", expected "a"',
        },
        { at: 1031, way: 'server → client', type: 'close', summary: '1000 "bye"' },
        { at: 1031, way: 'server → client', type: 'FIN', summary: '' },
      ],
    },
  ],
  rules: [
    { label: '"lose first attach" (channel.test.ts:33)', matched: 1, acted: 1 },
    { label: 'onServerMessage (channel.test.ts:35)', matched: 0, acted: 0 },
  ],
  notes: [],
  seed: undefined,
}

test('a failure tells what was expected, where, what was seen instead, and what the rules did', () => {
  expect(failureText(report)).toMatchInlineSnapshot(`
    "no client message matched { action: "ATTACH" } within 4800 ms
      at channel.test.ts:41 · test "reattaches after DETACHED"
      wss://main.realtime.example.com/?v=6  connection 1, open
          +12 ms  server → client  text  118 B  { action: "CONNECTED" }
          +15 ms  client → server  text   64 B  { action: "ATTACH", channel: "a" }  dropped by "lose first attach" (channel.test.ts:33)
          +31 ms  client → server  text   66 B  { action: "ATTACH", channel: "b" }  nearest: channel "b", expected "a"
        +1031 ms  server → client  close        1000 "bye"
        +1031 ms  server → client  FIN
      rules: "lose first attach" (channel.test.ts:33) acted once · onServerMessage (channel.test.ts:35) never matched"
  `)
})

test('a failure says when nothing was seen, and adds notes and the seed', () => {
  const text = failureText({ ...report, testName: undefined, transcript: [], rules: [], notes: ['payloads had gone'], seed: 7 })
  expect(text).toMatchInlineSnapshot(`
    "no client message matched { action: "ATTACH" } within 4800 ms
      at channel.test.ts:41
      nothing was seen: no connection, no request
      payloads had gone
      seed: 7 (MIDWIRE_SEED=7 draws the same again)"
  `)
})

test('a long transcript is cut in the middle, with a count, and keeps the nearest miss', () => {
  const lines = Array.from({ length: 500 }, (_, n): TranscriptLine => ({
    at: n,
    way: 'client → server',
    type: 'text',
    bytes: 10,
    summary: String(n),
    ...(n === 250 && { nearest: 'this one' }),
  }))
  const text = failureText({ ...report, rules: [], transcript: [{ title: 'connection 1', lines }] }, { lines: 6 })
  expect(text).toMatchInlineSnapshot(`
    "no client message matched { action: "ATTACH" } within 4800 ms
      at channel.test.ts:41 · test "reattaches after DETACHED"
      connection 1
          +0 ms  client → server  text 10 B  0
          +1 ms  client → server  text 10 B  1
        … 248 lines not shown …
        +250 ms  client → server  text 10 B  250  nearest: this one
        … 245 lines not shown …
        +496 ms  client → server  text 10 B  496
        +497 ms  client → server  text 10 B  497
        +498 ms  client → server  text 10 B  498
        +499 ms  client → server  text 10 B  499"
  `)
})

test('of many connections the newest are shown, with a count of the others', () => {
  const transcript = Array.from({ length: 5 }, (_, n) => ({ title: `connection ${n + 1}`, lines: [] }))
  expect(failureText({ ...report, rules: [], transcript }, { parts: 2 })).toMatchInlineSnapshot(`
    "no client message matched { action: "ATTACH" } within 4800 ms
      at channel.test.ts:41 · test "reattaches after DETACHED"
      … 3 earlier connections not shown
      connection 4
      connection 5"
  `)
})

test('of many rules those that did not act are told first, with a count of the others', () => {
  const rules = Array.from({ length: 20 }, (_, n) => ({ label: `r${n}`, matched: n === 19 ? 0 : 1, acted: n === 19 ? 0 : 1 }))
  const line = failureText({ ...report, transcript: [], rules })
    .split('\n')
    .at(-1)
  expect(line).toMatch(/^ {2}rules: r19 never matched · r0 acted once · .* · r10 acted once · … 8 more$/)
})

test.each([
  [{ label: 'r', matched: 0, acted: 0 }, 'r never matched'],
  [{ label: 'r', matched: 2, acted: 2 }, 'r acted twice'],
  [{ label: 'r', matched: 3, acted: 1 }, 'r acted once of 3 matches'],
  [{ label: 'r', matched: 3, acted: 0 }, 'r matched 3 times but never acted'],
  [{ label: 'r', matched: 1, acted: 0, shadowedBy: '"s" (a.test.ts:1)' }, 'r matched once but never acted, shadowed by "s" (a.test.ts:1)'],
  [{ label: 'r', matched: 1, acted: 1, failure: 'boom' }, 'r acted once, failed: boom'],
])('%o reads "%s"', (rule, text) => {
  expect(ruleText(rule)).toBe(text)
})

test('counts are words up to two', () => {
  expect([1, 2, 3].map(times)).toEqual(['once', 'twice', '3 times'])
})
