import { expect, test } from 'vitest'
import { findOriginal } from './original-destination.ts'

const lines = [
  'ipv4     2 udp      17 29 src=127.0.0.1 dst=127.0.0.53 sport=56622 dport=53 src=127.0.0.53 dst=127.0.0.1 sport=53 dport=56622 mark=0 zone=0 use=2',
  'ipv4     2 tcp      6 119 TIME_WAIT src=127.0.0.1 dst=192.0.2.9 sport=56622 dport=80 src=192.0.2.9 dst=127.0.0.1 sport=80 dport=56622 [ASSURED] mark=0 zone=0 use=2',
  'ipv4     2 tcp      6 431999 ESTABLISHED src=127.0.0.1 dst=192.0.2.1 sport=56622 dport=443 src=127.0.0.1 dst=127.0.0.1 sport=9999 dport=56622 [ASSURED] mark=0 zone=0 use=2',
  'ipv6     10 tcp      6 431999 ESTABLISHED src=0000:0000:0000:0000:0000:0000:0000:0001 dst=2001:0db8:0000:0000:0000:0000:0000:0001 sport=46712 dport=8080 src=0000:0000:0000:0000:0000:0000:0000:0001 dst=0000:0000:0000:0000:0000:0000:0000:0001 sport=9999 dport=46712 [ASSURED] mark=0 use=2',
  'tcp      6 100 ESTABLISHED src=10.0.0.5 dst=192.0.2.1 sport=40000 dport=80 src=127.0.0.1 dst=10.0.0.5 sport=9999 dport=40000 mark=0 use=2',
  'ipv4     2 tcp      6 431999 ESTABLISHED src=127.0.0.1 dst=127.0.0.1 sport=40001 dport=9999 src=127.0.0.1 dst=127.0.0.1 sport=9999 dport=40001 [ASSURED] mark=0 use=2',
].join('\n')

const own = { host: '127.0.0.1', port: 9999 }

test.each([
  ['an IPv4 client', { host: '127.0.0.1', port: 56622 }, own, { host: '192.0.2.1', port: 443 }],
  ['an IPv6 client', { host: '::1', port: 46712 }, { host: '::1', port: 9999 }, { host: '2001:db8::1', port: 8080 }],
  ['a client where the kernel prints no family', { host: '10.0.0.5', port: 40000 }, own, { host: '192.0.2.1', port: 80 }],
  ['a client that was not redirected', { host: '127.0.0.1', port: 40001 }, own, undefined],
  ['a client of another address', { host: '127.0.0.2', port: 56622 }, own, undefined],
  ['a client of another listener', { host: '127.0.0.1', port: 56622 }, { host: '127.0.0.1', port: 9998 }, undefined],
  ['a client that is not in the table', { host: '127.0.0.1', port: 1 }, own, undefined],
])('where %s was meant to go', (_who, client, listener, expected) => {
  expect(findOriginal(lines, client, listener)).toEqual(expected)
})
