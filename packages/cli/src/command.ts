/** One of `midwire`'s commands. */
export interface Command {
  readonly name: string
  /** What `midwire --help` says of it, on one line. */
  readonly summary: string
  /** What `midwire NAME --help` prints. */
  readonly help: string
  /**
   * Runs it with what stood behind its name, and resolves with the exit code.
   *
   * @throws UsageError on options that cannot be meant
   */
  run(args: readonly string[]): Promise<number>
}
