import { Agent } from 'node:http'
import { Socket } from 'node:net'
import tls from 'node:tls'
import { expect } from 'vitest'

const untouched = {
  start: Reflect.get(tls.TLSSocket.prototype, '_start') as unknown,
  setSecureContext: tls.Server.prototype.setSecureContext,
  connect: Socket.prototype.connect,
  tlsConnect: tls.connect,
  createSecureContext: tls.createSecureContext,
  setDefaultCACertificates: tls.setDefaultCACertificates,
  addRequest: Reflect.get(Agent.prototype, 'addRequest') as unknown,
}
const defaults = tls.getCACertificates('default')

/** What capture touches is as it was when this module was loaded. */
export function expectNothingLeft(): void {
  expect(Socket.prototype.connect).toBe(untouched.connect)
  expect(tls.connect).toBe(untouched.tlsConnect)
  expect(tls.createSecureContext).toBe(untouched.createSecureContext)
  expect(Reflect.get(tls.TLSSocket.prototype, '_start')).toBe(untouched.start)
  expect(tls.Server.prototype.setSecureContext).toBe(untouched.setSecureContext)
  expect(tls.setDefaultCACertificates).toBe(untouched.setDefaultCACertificates)
  expect(Reflect.get(Agent.prototype, 'addRequest')).toBe(untouched.addRequest)
  expect(Reflect.get(globalThis, Symbol.for('midwire.v1'))).toBeUndefined()
  expect(Reflect.get(Socket, Symbol.for('midwire.v1'))).toBeUndefined()
  expect(tls.getCACertificates('default')).toEqual(defaults)
}
