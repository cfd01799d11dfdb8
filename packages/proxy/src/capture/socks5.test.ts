import { expect, test } from 'vitest'
import fc from 'fast-check'
import { isIPv4, isIPv6 } from 'node:net'
import { addressText, addressType, message, reply, replyTo } from './socks5.ts'

test('a request is version, command, reserved, address and port (RFC 1928 §4)', () => {
  expect(message(1, { host: '192.0.2.1', port: 443 }).toString('hex')).toBe('05010001c000020101bb')
  expect(message(1, { host: '2001:db8::1', port: 80 }).toString('hex')).toBe('0501000420010db80000000000000000000000010050')
  expect(message(1, { host: 'a.b', port: 80 }).toString('hex')).toBe('0501000303612e620050')
})

test('an address that was written is read as the same', () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain())
  fc.assert(
    fc.property(host, fc.nat(65535), (given, port) => {
      const bytes = message(1, { host: given, port })
      const type = bytes[3] ?? 0
      expect(type).toBe(isIPv4(given) ? addressType.ipv4 : isIPv6(given) ? addressType.ipv6 : addressType.domain)
      const text = addressText(type, bytes.subarray(type === addressType.domain ? 5 : 4, -2))
      expect(message(1, { host: text, port })).toEqual(bytes)
      expect(bytes.readUInt16BE(bytes.length - 2)).toBe(port)
    }),
  )
})

test.each([
  ['ECONNREFUSED', reply.connectionRefused],
  ['ENETUNREACH', reply.networkUnreachable],
  ['EHOSTUNREACH', reply.hostUnreachable],
  ['ENOTFOUND', reply.hostUnreachable],
  ['EACCES', reply.generalFailure],
  [undefined, reply.generalFailure],
])('%s is told as reply %d (RFC 1928 §6)', (code, expected) => {
  expect(replyTo(Object.assign(new Error('x'), code && { code }))).toBe(expected)
})
