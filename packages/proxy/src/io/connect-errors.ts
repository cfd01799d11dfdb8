/** The error of a connect that nobody listens to, as `net` makes it. */
export function refused(host: string, port: number): Error {
  return Object.assign(new Error(`connect ECONNREFUSED ${host}:${port}`), {
    errno: -111,
    code: 'ECONNREFUSED',
    syscall: 'connect',
    address: host,
    port,
  })
}

/** The error of a name that does not resolve, as `dns.lookup` makes it. */
export function notFound(host: string): Error {
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), {
    errno: -3008,
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
    hostname: host,
  })
}

/** The error of a connect that got no answer, as `net` makes it. */
export function timedOut(host: string, port: number): Error {
  return Object.assign(new Error(`connect ETIMEDOUT ${host}:${port}`), {
    errno: -110,
    code: 'ETIMEDOUT',
    syscall: 'connect',
    address: host,
    port,
  })
}
