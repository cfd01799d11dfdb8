import { isIP } from 'node:net'
import type { TcpNetConnectOpts } from 'node:net'

/** What the arguments of `socket.connect()` say. */
export interface ConnectCall {
  readonly options: Readonly<Record<string, unknown>>
  readonly listener: ((...args: unknown[]) => void) | undefined
}

/** Reads the arguments of `net.Socket.prototype.connect`: (options[, cb]), (port[, host][, cb]), (path[, cb]), or one array of these two. */
export function readConnectCall(args: readonly unknown[]): ConnectCall {
  const [first, second] = args
  // `net.connect` and `tls.connect` hand over [options, listener], already normalised.
  if (Array.isArray(first)) return readConnectCall(first)
  const last = args.at(-1)
  const listener = typeof last === 'function' ? (last as ConnectCall['listener']) : undefined
  if (typeof first === 'object' && first !== null) return { options: first as Record<string, unknown>, listener }
  if (typeof first === 'string' && !(Number(first) >= 0)) return { options: { path: first }, listener }
  return { options: { port: first, ...(typeof second === 'string' ? { host: second } : {}) }, listener }
}

/**
 * True for a TCP connect that Node itself would begin. Everything else is left to Node: IPC paths, and options on which it throws
 * before anything happens.
 */
export function isTcpConnect(options: Readonly<Record<string, unknown>>): boolean {
  const { path, host, port, localAddress, localPort, lookup, autoSelectFamily, autoSelectFamilyAttemptTimeout } = options
  if (path) return false
  if (!isPort(port)) return false
  if (host && (typeof host !== 'string' || host.includes('\0'))) return false
  if (localAddress && (typeof localAddress !== 'string' || isIP(localAddress) === 0)) return false
  if (localPort && typeof localPort !== 'number') return false
  if (typeof (autoSelectFamily ?? false) !== 'boolean') return false
  if (!isPositiveInteger(autoSelectFamilyAttemptTimeout ?? 1)) return false
  return typeof (lookup ?? isIP) === 'function' || (typeof host === 'string' && isIP(host) !== 0)
}

function isPort(port: unknown): boolean {
  if (typeof port === 'string' && port.trim() === '') return false
  if (typeof port !== 'string' && typeof port !== 'number') return false
  return Number(port) === Number(port) >>> 0 && Number(port) <= 65535
}

function isPositiveInteger(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 0x7fffffff
}

/** The options that say how to reach the other end, without those of the stream or of TLS. */
export function dialOptions(options: Readonly<Record<string, unknown>>): TcpNetConnectOpts {
  const picked: Record<string, unknown> = {}
  for (const name of DIAL) if (options[name] !== undefined) picked[name] = options[name]
  picked['port'] = Number(options['port'])
  // Checked by `isTcpConnect`.
  return picked as unknown as TcpNetConnectOpts
}

const DIAL = [
  'host', 'port', 'family', 'hints', 'lookup', 'localAddress', 'localPort', 'autoSelectFamily', 'autoSelectFamilyAttemptTimeout',
  'noDelay', 'keepAlive', 'keepAliveInitialDelay',
] as const // prettier-ignore
