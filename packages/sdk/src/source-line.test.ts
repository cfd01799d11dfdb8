import { describe, expect, test } from 'vitest'
import { callSite, countAsOwn, placedAt, readCallSite, showLine } from './source-line.ts'

const here = import.meta.dirname

describe('the call site', () => {
  test('is the line of a test file that lies beside the sources', () => {
    const site = callSite()
    expect(site.line.file).toBe(import.meta.filename)
    expect(site.line.line).toBe(8)
    expect(site.frames).toMatch(/^\s+at .*source-line\.test\.ts:8:/)
  })

  test('skips frames of the package itself, Node and anonymous code', () => {
    const stack = [
      'Error: call site',
      '    at callSite (/x/sdk/src/source-line.ts:1:1)'.replace('/x/sdk/src', here),
      `    at Array.map (<anonymous>)`,
      `    at Object.drop (file://${here}/rule-builder.ts:10:3)`,
      '    at process.processTicksAndRejections (node:internal/process/task_queues:104:5)',
      '    at async /home/me/app/chat.test.ts:12:7',
    ].join('\n')
    expect(readCallSite(stack).line).toEqual({ file: '/home/me/app/chat.test.ts', line: 12, column: 7 })
    expect(readCallSite(stack).frames).toBe('    at async /home/me/app/chat.test.ts:12:7')
  })

  test('is found in paths with brackets, spaces, queries and drive letters', () => {
    const file = (frame: string) => readCallSite(`Error\n    at ${frame}`).line.file
    expect(file('fn (/a (b)/c.test.ts:1:2)')).toBe('/a (b)/c.test.ts')
    expect(file('file:///a%20b/c.test.ts:1:2')).toBe('/a b/c.test.ts')
    expect(file('fn (/a/c.test.ts?v=12:1:2)')).toBe('/a/c.test.ts')
    expect(file('fn (C:\\a\\c.test.ts:1:2)')).toBe('C:\\a\\c.test.ts')
  })

  test('skips the folders of packages that build on this one', () => {
    countAsOwn('/opt/plugin/src')
    const stack = 'Error\n    at a (/opt/plugin/src/matchers.ts:1:1)\n    at b (/opt/plugin/src-not/x.ts:2:2)'
    expect(readCallSite(stack).line.file).toBe('/opt/plugin/src-not/x.ts')
  })

  test('shows nothing of what is Midwire’s own behind the caller: it ran the test', () => {
    countAsOwn('/opt/plugin/bundle')
    const stack =
      'Error\n    at /home/me/chat.test.ts:12:7\n    at #cover (/opt/plugin/bundle/index.js:242:3)\n    at run (/opt/runner/run.js:1:1)'
    expect(readCallSite(stack).frames).toBe('    at /home/me/chat.test.ts:12:7\n    at run (/opt/runner/run.js:1:1)')
  })

  test('is unknown where no frame is the caller’s', () => {
    expect(readCallSite('Error\n    at node:internal/main:1:1').line).toEqual({ file: '<unknown>', line: 0, column: 0 })
  })
})

test('an error is placed at the test’s line, with its own first line', () => {
  const site = readCallSite('Error\n    at /home/me/chat.test.ts:12:7')
  expect(placedAt(new TypeError('no'), site).stack).toBe('TypeError: no\n    at /home/me/chat.test.ts:12:7')
})

test('a line is shown relative to the working directory if it lies inside', () => {
  const line = { file: '/home/me/app/chat.test.ts', line: 3, column: 1 }
  expect(showLine(line, '/home/me/app')).toBe('chat.test.ts:3')
  expect(showLine(line, '/home/me/other')).toBe('/home/me/app/chat.test.ts:3')
})
