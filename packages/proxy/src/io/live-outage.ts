import { isIP } from 'node:net'
import type { Destination } from '../capture/inbound.ts'
import { isHost } from '../fault/host-match.ts'
import type { OutageOptions } from '../fault/network-conditions.ts'
import type { Scope } from '../scope.ts'
import { notFound, refused, unreachable } from './connect-errors.ts'
import type { FailingConnect } from './dead-end.ts'

const words = { refused: 'refused', unreachable: 'unreachable', dns: 'no such host', timeout: 'no answer' }

/** A network that is away. */
export class LiveOutage {
  readonly scope: Scope
  readonly #options: OutageOptions
  readonly #over = Promise.withResolvers<'online' | 'ended'>()

  constructor(scope: Scope, options: OutageOptions) {
    this.scope = scope
    this.#options = options
  }

  /** For the journal: what becomes of connects. */
  get text(): string {
    return words[this.#options.error ?? 'refused']
  }

  /** How what is open ends; `undefined`: it stays, and is mute. */
  get how(): 'fin' | 'rst' | undefined {
    const { end = 'fin' } = this.#options
    return end === 'silent' ? undefined : end
  }

  covers(scope: Scope, host: string, port: number): boolean {
    return !this.scope.ended && this.scope.isRelatedTo(scope) && isHost(this.#options.hosts, host, port)
  }

  /** How a connect fails; `undefined`: it gets no answer until the network is back. */
  failureFor(host: string): FailingConnect | undefined {
    switch (this.#options.error ?? 'refused') {
      case 'refused':
        return { kind: 'refuse' }
      case 'unreachable':
        return { kind: 'unreachable', code: 'ENETUNREACH' }
      case 'dns':
        // Nobody asks a name server about an address.
        return isIP(host) === 0 ? { kind: 'failDns' } : { kind: 'unreachable', code: 'ENETUNREACH' }
      case 'timeout':
        return undefined
    }
  }

  /** What a connect of ours fails with; `undefined`: it gets no answer until the network is back. */
  errorFor({ host, port }: Destination): Error | undefined {
    switch (this.#options.error ?? 'refused') {
      case 'refused':
        return refused(host, port)
      case 'unreachable':
        return unreachable('ENETUNREACH', host, port)
      case 'dns':
        return notFound(host)
      case 'timeout':
        return undefined
    }
  }

  /** Resolves when the network is back ('online'), its test has ended, or the client has given up ('gone'). */
  async overOr(gone: AbortSignal): Promise<'online' | 'ended' | 'gone'> {
    if (gone.aborted) return 'gone'
    const { promise, resolve } = Promise.withResolvers<'gone'>()
    const left = (): void => resolve('gone')
    gone.addEventListener('abort', left, { once: true })
    const came = await Promise.race([this.#over.promise, promise])
    gone.removeEventListener('abort', left)
    return came
  }

  end(how: 'online' | 'ended'): void {
    this.#over.resolve(how)
  }
}
