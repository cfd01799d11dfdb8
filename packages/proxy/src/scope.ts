/**
 * Whose traffic it is: a file, a block of it, or one test. Scopes form a tree; a rule of one scope applies to a connection of
 * another if either is the other, or lies around it.
 */
export class Scope {
  readonly name: string
  readonly parent: Scope | undefined
  #ended = false

  constructor(name: string, parent?: Scope) {
    this.name = name
    this.parent = parent
  }

  /** True once the test or block is over: its connects are refused, and no rule or wait sees it. */
  get ended(): boolean {
    return this.#ended
  }

  end(): void {
    this.#ended = true
  }

  /** True for the scope itself and everything inside it. */
  contains(scope: Scope): boolean {
    for (let at: Scope | undefined = scope; at; at = at.parent) if (at === this) return true
    return false
  }

  /** True if one of the two is the other, or lies around it. */
  isRelatedTo(scope: Scope): boolean {
    return this.contains(scope) || scope.contains(this)
  }

  /** 0 for a root; a test's rules are asked before those of the blocks around it. */
  get depth(): number {
    let depth = 0
    for (let at = this.parent; at; at = at.parent) depth++
    return depth
  }
}
