/** Something that the user can put right: the text says what was seen, and what to do. */
export class UsageError extends Error {
  /** What the process ends with. */
  readonly exitCode: number

  constructor(message: string, { exitCode = 2, cause }: { readonly exitCode?: number; readonly cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'UsageError'
    this.exitCode = exitCode
  }
}
