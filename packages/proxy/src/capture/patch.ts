import { markReplacement } from './original.ts'

type AnyFunction = (this: never, ...args: never[]) => unknown

/**
 * One method of a shared object, replaced and put back. While another library's replacement lies over ours, ours stays and calls what
 * it replaced; it goes once it is uncovered and nobody wants it any more.
 */
export class Patch<F extends AnyFunction> {
  readonly #owner: object
  readonly #name: string
  readonly #make: (below: F) => F
  #before: PropertyDescriptor | undefined
  #below: F | undefined
  #ours: F | undefined
  #wanted = false

  constructor(owner: object, name: string, make: (below: F) => F) {
    this.#owner = owner
    this.#name = name
    this.#make = make
  }

  /** True while the replacement should act; it passes through otherwise. */
  get wanted(): boolean {
    return this.#wanted
  }

  /** True if nothing of ours is on the object, as far as can be seen. */
  get gone(): boolean {
    return this.#before === undefined
  }

  apply(): void {
    this.#wanted = true
    if (this.#before) return
    const before = Object.getOwnPropertyDescriptor(this.#owner, this.#name)
    const below: unknown = Reflect.get(this.#owner, this.#name)
    if (!before || typeof below !== 'function') throw new TypeError(`${this.#name} is not a method`)
    this.#before = before
    // The member was read from the object whose type F describes.
    this.#below = below as F
    this.#ours = this.#make(this.#below)
    markReplacement(this.#ours, this.#below)
    // An accessor, because whoever replaces it later puts this very descriptor back, and the next read can then put back the original.
    Object.defineProperty(this.#owner, this.#name, { configurable: true, enumerable: before.enumerable ?? true, get: this.#read, set: this.#write })
  }

  /** Puts the original back if ours is on top; returns whether it could. */
  remove(): boolean {
    this.#wanted = false
    if (!this.#before) return true
    const now = Object.getOwnPropertyDescriptor(this.#owner, this.#name)
    if (now?.get !== this.#read) return false
    Object.defineProperty(this.#owner, this.#name, this.#before)
    this.#before = undefined
    return true
  }

  /** Looks whether somebody took ours away while it was wanted, and puts it back on top. */
  heal(): boolean {
    if (!this.#wanted || !this.#before || Reflect.get(this.#owner, this.#name) !== this.#before.value) return false
    this.#before = undefined
    this.apply()
    return true
  }

  readonly #read = (): F | undefined => {
    if (!this.#wanted && this.remove()) return this.#below
    return this.#ours
  }

  readonly #write = (value: unknown): void => {
    // Plain assignment by somebody else: ours is covered, and they may assign ours back later.
    if (value === this.#ours) return
    Object.defineProperty(this.#owner, this.#name, { ...this.#before, value, writable: true })
  }
}
