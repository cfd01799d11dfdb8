/** Which hosts are meant: a name, `name:port`, an expression for names, or several of them. */
export type HostMatch = string | RegExp | readonly (string | RegExp)[]

/** True for every host if `match` is `undefined`. */
export function isHost(match: HostMatch | undefined, host: string, port: number): boolean {
  if (match === undefined) return true
  const name = host.toLowerCase()
  const wanted = typeof match === 'string' || match instanceof RegExp ? [match] : match
  return wanted.some(one => {
    // Not `test`: an expression with the flag g remembers where it was.
    if (typeof one !== 'string') return name.search(one) >= 0
    return one.toLowerCase() === name || one.toLowerCase() === `${name}:${port}`
  })
}

/** `"a.example.com"`, `/example/`, or `"a", "b"`: for the journal. */
export function showHosts(match: HostMatch): string {
  const wanted = typeof match === 'string' || match instanceof RegExp ? [match] : match
  return wanted.map(String).join(', ')
}
