/** Where in a test a rule, a wait or a connection was written. */
export interface SourceLine {
  /** Absolute path or file URL as the stack gave it. */
  readonly file: string
  readonly line: number
  readonly column: number
}
