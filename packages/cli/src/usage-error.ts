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

/** The text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The code of a system's error: `ENOENT`. */
export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}
