/** An error on its way to another process: what `net`, `dns` and `tls` put on theirs. */
export interface PortableError {
  readonly message: string
  readonly name: string
  /** `code`, `errno`, `syscall`, `address`, `port`, `hostname`, `reason`, `library` and the like. */
  readonly details: Readonly<Record<string, string | number>>
  /** Of an `AggregateError`. */
  readonly errors?: readonly PortableError[]
}

export function portableError(error: Error): PortableError {
  const { message, name } = error
  const details: Record<string, string | number> = {}
  for (const [key, value] of Object.entries(error)) if (typeof value === 'string' || typeof value === 'number') details[key] = value
  const errors = error instanceof AggregateError ? error.errors.filter(one => one instanceof Error).map(portableError) : undefined
  return { message, name, details, ...(errors && { errors }) }
}

/** The error as it would have been made here. */
export function restoredError({ message, name, details, errors }: PortableError): Error {
  const made = errors ? new AggregateError(errors.map(restoredError), message) : new Error(message)
  if (name !== made.name) Object.defineProperty(made, 'name', { value: name, configurable: true, writable: true })
  // Where it was put together again says nothing to who reads it.
  made.stack = `${name}: ${message}`
  return Object.assign(made, details)
}
