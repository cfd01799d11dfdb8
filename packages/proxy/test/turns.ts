/** ms after which something counts as hanging; what is waited for takes a few. */
export const patience = 10_000

/** Resolves when it is true; it is looked at in every turn of the event loop. */
export async function turnsUntil(what: string, isTrue: () => boolean): Promise<void> {
  const late = Date.now() + patience
  while (!isTrue()) {
    if (Date.now() > late) throw new Error(`waited in vain for ${what}`)
    await new Promise(resolve => setImmediate(resolve))
  }
}
