import { expect, test } from 'vitest'
import { authority, splitAuthority, targetOf } from './target.ts'

test('a target says what the client meant: the Host header, not the address its socket was told', () => {
  expect(targetOf('ws', true, { host: '127.0.0.1', port: 4000 }, 'api.example.com', '/v6?a=1&b=2&a=3')).toEqual({
    host: 'api.example.com',
    port: 443,
    secure: true,
    url: 'wss://api.example.com/v6?a=1&b=2&a=3',
    path: '/v6',
    query: { a: ['1', '3'], b: '2' },
  })
})

test('without a Host header the destination counts', () => {
  expect(targetOf('http', false, { host: '::1', port: 8080 }, undefined, '/')).toMatchObject({
    host: '::1',
    port: 8080,
    url: 'http://[::1]:8080/',
  })
})

test('a query key named __proto__ is a key like any other', () => {
  expect(Object.entries(targetOf('http', false, { host: 'a', port: 80 }, undefined, '/?__proto__=x').query)).toEqual([['__proto__', 'x']])
})

test.each([
  ['example.com', { host: 'example.com', port: 443 }],
  ['example.com:8443', { host: 'example.com', port: 8443 }],
  ['[::1]', { host: '::1', port: 443 }],
  ['[fe80::1]:9000', { host: 'fe80::1', port: 9000 }],
])('the authority %s is split into host and port', (text, expected) => {
  expect(splitAuthority(text, 443)).toEqual(expected)
})

test.each(['', ':80', 'a:b', '[::1'])('%j is no authority', text => {
  expect(splitAuthority(text, 80)).toBeUndefined()
})

test('an authority leaves the default port out and brackets IPv6', () => {
  expect([authority('a', 443, true), authority('a', 80, true), authority('::1', 80, false)]).toEqual(['a', 'a:80', '[::1]'])
})
