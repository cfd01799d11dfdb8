import * as fc from 'fast-check'

/** JSON as it comes out of `JSON.parse`, without -0, and without the one key that libraries refuse. */
export const jsonData: fc.Arbitrary<unknown> = fc
  .jsonValue()
  .map(value => JSON.stringify(value))
  .filter(text => !text.includes('__proto__'))
  .map(text => JSON.parse(text) as unknown)
