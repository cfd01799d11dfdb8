/** Resolves when somebody wants this process to end, which it does not before; a second time, it ends at once. */
export function stopSignal(): Promise<void> {
  // Neither a handler of signals nor our listeners keep a process alive.
  const alive = setInterval(() => {}, 2 ** 30)
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => {
        clearInterval(alive)
        resolve()
      })
  })
}
