import { getDefaultAutoSelectFamily, isIP } from 'node:net'
import type { Socket, TcpNetConnectOpts } from 'node:net'

/** How every attempt of a connect fails. */
export interface ConnectFailure {
  /** What the host name stands for. @default one address; no name is looked up */
  readonly addresses?: readonly string[]
  readonly error: (address: string, port: number) => Error
  /** The client has been shown the first attempt before. @default false */
  readonly begun?: boolean
}

/** RFC 5737 §3: an address that nobody has. */
const nobody = '192.0.2.1'

/**
 * Shows a client the attempts that Node would make, each of which fails, and returns the error that Node would end with: an
 * `AggregateError` where it tries several addresses.
 */
export function failAttempts(client: Socket, dial: TcpNetConnectOpts, name: string, failure: ConnectFailure): Error {
  const { host = name, port, autoSelectFamily = getDefaultAutoSelectFamily(), family = 0, localAddress } = dial
  const all = isIP(host) ? [host] : candidates(host, family, failure.addresses)
  const tried = autoSelectFamily && family !== 4 && family !== 6 && localAddress === undefined ? all : all.slice(0, 1)
  if (isIP(host) === 0 && !failure.begun) for (const address of tried) client.emit('lookup', null, address, isIP(address), host)
  const errors: Error[] = []
  for (const [n, address] of tried.entries()) {
    if (n > 0 || !failure.begun) client.emit('connectionAttempt', address, port, isIP(address))
    const error = failure.error(address, port)
    errors.push(error)
    // Node gives up at once where it has one address only and no way leads there.
    if (tried.length > 1 || Reflect.get(error, 'code') !== 'ENETUNREACH') {
      client.emit('connectionAttemptFailed', address, port, isIP(address), error)
    }
  }
  const [only, ...more] = errors
  if (only && more.length === 0) return only
  return Object.assign(new AggregateError(errors), { code: Reflect.get(only ?? {}, 'code') })
}

/** Shows a client the attempt that Node would make, where none is made. */
export function showAttempt(client: Socket, { host, port, family = 0 }: TcpNetConnectOpts, name: string): void {
  const [address = nobody] = isIP(host ?? name) ? [host ?? name] : candidates(name, family, undefined)
  if (isIP(host ?? name) === 0) client.emit('lookup', null, address, isIP(address), name)
  client.emit('connectionAttempt', address, port, isIP(address))
}

function candidates(host: string, family: unknown, given: readonly string[] | undefined): readonly string[] {
  const addresses = given ?? [host === 'localhost' ? '127.0.0.1' : nobody]
  const fitting = family === 4 || family === 6 ? addresses.filter(address => isIP(address) === family) : addresses
  return fitting.length > 0 ? fitting : addresses
}
