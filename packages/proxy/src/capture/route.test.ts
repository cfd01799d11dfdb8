import { expect, test } from 'vitest'
import { Routes } from './route.ts'

test('a route for host and port wins over one for the host, and that over one for everything', () => {
  const everything = { host: 'all', port: 1, secure: false, text: 'http://all:1' }
  const routes = new Routes({ 'api.example.com': 'http://127.0.0.1:4000', 'api.example.com:8443': 'wss://[::1]' }, everything)
  expect(routes.find({ host: 'API.example.com', port: 443 })).toEqual({
    host: '127.0.0.1',
    port: 4000,
    secure: false,
    text: 'http://127.0.0.1:4000',
  })
  expect(routes.find({ host: 'api.example.com', port: 8443 })).toEqual({ host: '::1', port: 443, secure: true, text: 'wss://[::1]' })
  expect(routes.find({ host: 'other.example.com', port: 443 })).toBe(everything)
  expect(new Routes({}, undefined).find({ host: 'a', port: 1 })).toBeUndefined()
})

test.each([
  ['127.0.0.1:4000', /route\["a"\]: "127.0.0.1:4000"/],
  ['ftp://127.0.0.1', /expected http:, https:, ws: or wss:/],
])('a route to %j is refused, with what was expected', (url, message) => {
  expect(() => new Routes({ a: url }, undefined)).toThrow(message)
})
