import { getSystemErrorMap } from 'node:util'

/** The error of a connect that nobody listens to, as `net` makes it. */
export function refused(address: string, port: number): Error {
  return connectError('ECONNREFUSED', address, port)
}

/** The error of a connect to where no way leads, as `net` makes it. */
export function unreachable(code: 'EHOSTUNREACH' | 'ENETUNREACH', address: string, port: number): Error {
  if (code === 'EHOSTUNREACH') return connectError(code, address, port)
  // A network without a route is known at once, and Node then adds its own end, which has no address yet.
  return connectError(code, address, port, ` - Local (${address.includes(':') ? ':::0' : '0.0.0.0:0'})`)
}

/** The error of a connect that got no answer, as `net` makes it. */
export function timedOut(address: string, port: number): Error {
  return connectError('ETIMEDOUT', address, port)
}

/** The error of a name that does not resolve, as `dns.lookup` makes it: never, or not now. */
export function notFound(hostname: string, code: 'ENOTFOUND' | 'EAI_AGAIN' = 'ENOTFOUND'): Error {
  const errno = errnoOf(code === 'ENOTFOUND' ? 'EAI_NONAME' : code)
  return Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), { errno, code, syscall: 'getaddrinfo', hostname })
}

function connectError(code: string, address: string, port: number, details = ''): Error {
  return Object.assign(new Error(`connect ${code} ${address}:${port}${details}`), {
    errno: errnoOf(code),
    code,
    syscall: 'connect',
    address,
    port,
  })
}

/** The number that libuv has for it on this platform. */
function errnoOf(code: string): number | undefined {
  for (const [errno, [name]] of getSystemErrorMap()) if (name === code) return errno
  return undefined
}
