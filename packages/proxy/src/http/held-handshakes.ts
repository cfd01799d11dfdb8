import type { Connection } from '../connection.ts'
import type { HandshakeRule } from '../rule/rule.ts'

/** Handshakes that `hold` rules keep from upstream, by rule. */
export class HeldHandshakes {
  readonly #held = new Map<Connection, { readonly rule: HandshakeRule; readonly proceed: () => void }>()
  readonly #changed: () => void

  /** `changed` is called whenever a handshake starts or stops to be held. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  /** Resolves when the handshake may go on. */
  hold(rule: HandshakeRule, connection: Connection): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held.set(connection, { rule, proceed: resolve })
    this.#changed()
    return promise
  }

  /** Oldest first. */
  heldBy(rule: HandshakeRule): readonly Connection[] {
    return [...this.#held].filter(([, held]) => held.rule === rule).map(([connection]) => connection)
  }

  release(connection: Connection): void {
    const held = this.#held.get(connection)
    if (!held) return
    this.#held.delete(connection)
    this.#changed()
    held.proceed()
  }
}
