const microtask = Promise.prototype.then.bind(Promise.resolve())

/** Calls `fn` when the synchronous code that runs now is done, before anything is read from a socket. */
export function afterTurn(fn: () => void): void {
  void microtask(fn)
}
