import { markReplacement } from './original.ts'

type AnyFunction = (this: never, ...args: never[]) => unknown

/**
 * One method of a shared object, replaced and put back. While another library's replacement lies over ours, ours stays and passes
 * through; it goes, with all others that wait, at the first call of one of them that finds it uncovered.
 */
export class Patch<F extends AnyFunction> {
  readonly #owner: object
  readonly #name: string
  readonly #make: (below: F) => F
  #before: PropertyDescriptor | undefined
  #ours: F | undefined
  #wanted = false
  /** Those that could not be taken away yet. */
  static readonly #covered = new Set<{ remove(): boolean }>()

  constructor(owner: object, name: string, make: (below: F) => F) {
    this.#owner = owner
    this.#name = name
    this.#make = make
  }

  /** True while the replacement should act. It asks at each call, and passes through if not. */
  get wanted(): boolean {
    if (!this.#wanted) for (const patch of Patch.#covered) patch.remove()
    return this.#wanted
  }

  apply(): void {
    this.#wanted = true
    Patch.#covered.delete(this)
    // Still there, under another's.
    if (this.#before) return
    const before = Object.getOwnPropertyDescriptor(this.#owner, this.#name)
    if (typeof before?.value !== 'function') throw new TypeError(`${this.#name} is not a method`)
    this.#before = before
    // A member of the object whose type F describes.
    this.#ours = this.#make(before.value as F)
    markReplacement(this.#ours, before.value as F)
    Object.defineProperty(this.#owner, this.#name, { ...before, value: this.#ours })
  }

  /** Puts the original back if ours is on top, or is not there any more; returns whether nothing of ours is left. */
  remove(): boolean {
    this.#wanted = false
    if (!this.#before) return true
    const now: unknown = Object.getOwnPropertyDescriptor(this.#owner, this.#name)?.value
    if (now !== this.#ours && now !== this.#before.value) {
      Patch.#covered.add(this)
      return false
    }
    Patch.#covered.delete(this)
    if (now === this.#ours) Object.defineProperty(this.#owner, this.#name, this.#before)
    this.#before = undefined
    return true
  }
}
