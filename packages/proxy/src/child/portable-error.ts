/** An error on its way to another process: what `net`, `dns` and `tls` put on theirs. */
export interface PortableError {
  readonly message: string
  readonly name: string
  /** `code`, `errno`, `syscall`, `address`, `port`, `hostname`, `reason`, `library` and the like; `cert` of a certificate that is refused. */
  readonly details: Readonly<Record<string, unknown>>
  /** Of an `AggregateError`. */
  readonly errors?: readonly PortableError[]
}

export function portableError(error: Error): PortableError {
  const { message, name } = error
  const details: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(error)) {
    if (typeof value === 'string' || typeof value === 'number') details[key] = value
    // Those of its issuers refer to each other.
    if (key === 'cert') details[key] = { ...(value as object), issuerCertificate: undefined }
  }
  const errors = error instanceof AggregateError ? error.errors.filter(one => one instanceof Error).map(portableError) : undefined
  return { message, name, details, ...(errors && { errors }) }
}

/** What Node throws of its own, besides plain errors. */
const kinds: Readonly<Record<string, new (message: string) => Error>> = { TypeError, RangeError, SyntaxError }

/** The error as it would have been made here. */
export function restoredError({ message, name, details, errors }: PortableError): Error {
  const made = errors ? new AggregateError(errors.map(restoredError), message) : new (kinds[name] ?? Error)(message)
  if (name !== made.name) Object.defineProperty(made, 'name', { value: name, configurable: true, writable: true })
  // Where it was put together again says nothing to who reads it.
  made.stack = `${name}: ${message}`
  return Object.assign(made, details)
}
