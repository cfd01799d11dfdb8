import type { CodecContext } from '../codec.ts'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import type { ResolvedStream } from './declaration.ts'

/** Looks at messages for the one after which their connection carries no more, where a declaration tells. */
export class EndWatch {
  readonly #declared: ResolvedStream
  readonly #onEnd: () => void
  readonly #contexts: Partial<Record<Side, CodecContext>> = {}
  readonly #url: string

  constructor(declared: ResolvedStream, url: string, onEnd: () => void) {
    this.#declared = declared
    this.#onEnd = onEnd
    this.#url = url
  }

  see(from: Side, parts: readonly Uint8Array[], binary: boolean): void {
    const { declaration, codec } = this.#declared
    if (!declaration.endsAfter) return
    const context = { ...this.#context(from), binary }
    for (const part of parts) {
      try {
        for (const message of codec.decode(part, context).messages)
          if (!('undecodable' in message) && declaration.endsAfter(message.value, from)) this.#onEnd()
      } catch {
        // What is not of the protocol ends nothing; the journal says why.
      }
    }
  }

  #context(from: Side): CodecContext {
    const direction = { from, protocol: '', url: this.#url }
    return (this.#contexts[from] ??= {
      from,
      binary: false,
      protocol: '',
      state: this.#declared.codec.state?.({ ...direction, peer: this.#contexts[other(from)]?.state }),
    })
  }
}
