import type { NetworkConditions, NetworkHandle, Outage, OutageOptions, Scope } from '@midwire/proxy'
import { callerError, checkFunction } from './bad-input.ts'
import { checkChange, checkConditions, checkOutage } from './network-input.ts'
import { WaitWords } from './wait-words.ts'

/** Where tests took the network away. */
const outages = new WeakMap<Scope, Set<Outage>>()

/** What the network does: it is slow, it cuts, it is away. */
export abstract class NetworkWords<T> extends WaitWords<T> {
  /**
   * Makes the network what the conditions say, for what is open and for what will be, until the handle is disposed or the test ends:
   * `using slow = proxy.network({ latency: 80, jitter: 20, bandwidth: 64_000 })`. ms are one way, bandwidth is bytes per second. Several
   * add up. On one client of several it applies to its WebSockets, from their handshakes on.
   *
   * @throws MidwireError MIDWIRE_BAD_INPUT on conditions that cannot be meant
   */
  network(conditions: NetworkConditions): NetworkHandle {
    const { scope, seedKey } = this.desk.state()
    const what = this.#word('network(conditions)')
    checkConditions(conditions, what)
    const handle = this.desk.engine().changeNetwork(scope, this.#narrowed(conditions), seedKey)
    return {
      get conditions() {
        return handle.conditions
      },
      change(changes) {
        checkChange(changes, `${what}.change(conditions)`)
        handle.change(changes)
      },
      dispose: () => handle.dispose(),
      [Symbol.dispose]: () => handle.dispose(),
    }
  }

  /**
   * Runs `fn` without a network, and gives it back: open connections end without a close frame, and new ones fail as the options say.
   *
   * @throws what `fn` throws; MidwireError MIDWIRE_BAD_INPUT on options that cannot be meant
   */
  async offline<R>(fn: () => R | Promise<R>, options?: OutageOptions): Promise<R> {
    checkFunction(fn, this.#word('offline(fn)'))
    const outage = this.#goOffline('offline(fn, options)', options)
    try {
      return await fn()
    } finally {
      outage.goOnline()
    }
  }

  /** Takes the network away until `goOnline`, the end of `using`, or the end of the test. @throws MidwireError MIDWIRE_BAD_INPUT */
  goOffline(options?: OutageOptions): Outage {
    return this.#goOffline('goOffline(options)', options)
  }

  /** Gives back whatever this test, or a block around it, has taken away. */
  goOnline(): void {
    for (let scope: Scope | undefined = this.desk.state().scope; scope; scope = scope.parent) {
      for (const outage of outages.get(scope) ?? []) outage.goOnline()
      outages.delete(scope)
    }
  }

  #goOffline(word: string, options: OutageOptions | undefined): Outage {
    const { scope } = this.desk.state()
    if (this.view) {
      throw callerError(
        'MIDWIRE_BAD_USE',
        `${this.#word(word)}: a TCP connect does not tell whose it is; use proxy.offline(fn, { hosts }), or network({ blackHole: true }) of this client`,
      )
    }
    checkOutage(options, this.#word(word))
    const outage = this.desk.engine().goOffline(scope, options)
    const mine = outages.get(scope) ?? new Set()
    outages.set(scope, mine.add(outage))
    return outage
  }

  /** Conditions of one client are for its connections. */
  #narrowed(conditions: NetworkConditions): NetworkConditions {
    const { view } = this
    if (!view) return conditions
    const { connection } = conditions
    const isMeant = typeof connection === 'function' ? connection : (one: unknown) => connection === undefined || connection === one
    return { ...conditions, connection: one => view.covers(one) && isMeant(one) }
  }

  #word(word: string): string {
    return `${this.view?.text ?? 'proxy'}.${word}`
  }
}
