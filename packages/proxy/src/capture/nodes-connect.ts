import { Socket } from 'node:net'
import type { TcpNetConnectOpts } from 'node:net'
import { original } from './original.ts'

/** `net.Socket.prototype.connect`, as far as we call it. */
export type Connect = (this: Socket, options: TcpNetConnectOpts, listener?: (...args: unknown[]) => void) => Socket

const atImport: Connect = original<Connect>(Socket.prototype.connect)

let calls = 0
const dialled = new WeakSet<Socket>()

/** True if nobody has replaced `net.Socket.prototype.connect`. */
export function isNodesOwn(connect: unknown): boolean {
  return typeof connect === 'function' && Function.prototype.toString.call(connect).includes('lookupAndConnect')
}

/** True while we are within Node's connect by our own call. */
export function isOwnCall(): boolean {
  return calls > 0
}

/** True for a socket that the engine dialled for a client. */
export function isDialled(socket: Socket): boolean {
  return dialled.has(socket)
}

/** Connects a socket of the engine's own: it is never captured. */
export function connectUpstream(socket: Socket, options: TcpNetConnectOpts, listener?: () => void): void {
  dialled.add(socket)
  connectDirectly(socket, options, listener)
}

/** Connects as Node itself would, whatever has been put over it. */
export function connectDirectly(socket: Socket, options: TcpNetConnectOpts, listener?: (...args: unknown[]) => void): void {
  calls++
  try {
    if (isNodesOwn(atImport)) atImport.call(socket, options, listener)
    else belowInterceptors(() => atImport.call(socket, options, listener))
  } finally {
    calls--
  }
}

/** @mswjs/interceptors, under msw and nock, lets through what it takes for its own connection. Only where it was there before us. */
function belowInterceptors(connect: () => void): void {
  const context: unknown = Reflect.get(globalThis, '__MSW_INTERNAL_CONNECTION_CONTEXT')
  const run: unknown = typeof context === 'object' && context !== null ? Reflect.get(context, 'run') : undefined
  if (typeof run === 'function') run.call(context, connect)
  else connect()
}
