/** vitest's default for the time of a hook; `undefined` where this vitest does not tell. */
export function hookTimeout(): number | undefined {
  // vitest has no public way to its configuration from within a test.
  const worker: unknown = Reflect.get(globalThis, '__vitest_worker__')
  const config = property(worker, 'config')
  const timeout = property(config, 'hookTimeout')
  return typeof timeout === 'number' ? timeout : undefined
}

function property(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? Reflect.get(of, name) : undefined
}
