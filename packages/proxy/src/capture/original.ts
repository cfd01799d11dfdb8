const ORIGINAL: unique symbol = Symbol.for('midwire.original')

type AnyFunction = (this: never, ...args: never[]) => unknown

/** Remembers on our replacement what it stands for; every copy of this package finds it there. */
export function markReplacement<F extends AnyFunction>(ours: F, original: F): void {
  Object.defineProperty(ours, ORIGINAL, { value: original })
}

/** The function itself, or what it was before Midwire replaced it. For the engine's own sockets and contexts. */
export function original<F extends AnyFunction>(method: F): F {
  const before: unknown = Reflect.get(method, ORIGINAL)
  return typeof before === 'function' ? (before as F) : method
}
