/** The timers as they were when Midwire was imported: a test's fake timers do not freeze it. */
export const realTimers: Pick<typeof globalThis, 'setTimeout' | 'clearTimeout' | 'setImmediate'> = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setImmediate: globalThis.setImmediate,
}
