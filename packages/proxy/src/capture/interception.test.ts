import { expect, test } from 'vitest'
import { bypassFault, Interception } from './interception.ts'

test.each([
  ['example.com', 'example.com:80 EXAMPLE.com:443 example.com.:1', 'api.example.com:80 xexample.com:80'],
  ['.example.com', 'api.example.com:80 a.b.example.com:80', 'example.com:80 xexample.com:80'],
  ['*.example.com', 'api.example.com:80', 'example.com:80'],
  ['example.com:8080', 'example.com:8080', 'example.com:80'],
  ['*', 'a:1 127.0.0.1:1 ::1:1', ''],
  ['*:5432', 'a:5432', 'a:80'],
  ['10.1.0.0/16', '10.1.2.3:80', '10.2.0.1:80 10.1.example.com:80'],
  ['127.0.0.1', '127.0.0.1:80', '127.0.0.2:80 localhost:80'],
  ['2001:db8::/32', '2001:db8::1:80', '2001:db9::1:80 10.0.0.1:80'],
  ['::1', '0:0:0:0:0:0:0:1:80', '::2:80'],
  ['[::1]:443', '::1:443', '::1:80'],
  [' a.test, b.test\tc.test ,', 'a.test:1 b.test:1 c.test:1', 'd.test:1'],
  ['', '', 'a:1'],
])('bypass %j', (bypass, tunnelled, intercepted) => {
  const interception = new Interception({}, bypass)
  const covered = (list: string): boolean[] =>
    list
      .split(' ')
      .filter(Boolean)
      .map(text => {
        const at = text.lastIndexOf(':')
        return interception.covers({ host: text.slice(0, at), port: Number(text.slice(at + 1)) })
      })
  expect(covered(tunnelled)).not.toContain(true)
  expect(covered(intercepted)).not.toContain(false)
})

test('a table says more than a list, and names hosts with or without their ports', () => {
  const interception = new Interception({ 'a.test': false, 'A.test:80': true, 'b.test': true }, '*')
  expect(interception.covers({ host: 'a.test', port: 443 })).toBe(false)
  expect(interception.covers({ host: 'A.TEST', port: 80 })).toBe(true)
  expect(interception.covers({ host: 'b.test', port: 1 })).toBe(true)
  expect(interception.covers({ host: 'c.test', port: 1 })).toBe(false)
})

test("intercept: 'none' looks into nothing", () => {
  expect(new Interception('none', []).covers({ host: 'a.test', port: 443 })).toBe(false)
})

test.each([
  ['http://a/', '"http://a/" is no host'],
  ['10.0.0.0/33', '"10.0.0.0/33" is no host'],
  ['a.*.test', '"a.*.test" is no host'],
  ['a:b', '"a:b" is no host'],
  ['a:70000', '"a:70000" is no host'],
  [['a', 1], 'expected hosts as in NO_PROXY'],
  [{}, 'expected hosts as in NO_PROXY'],
])('%j is no bypass list', (bypass, text) => {
  expect(bypassFault(bypass)).toContain(text)
})

test('a list that can be meant has no fault', () => {
  expect(bypassFault(['localhost', '*.b:80,10.0.0.0/8', '::1'])).toBeUndefined()
})
