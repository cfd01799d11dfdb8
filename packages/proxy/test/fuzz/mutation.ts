import fc from 'fast-check'

/** One thing done to bytes; positions are taken modulo their length. */
export type Mutation =
  | { readonly kind: 'set' | 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'cut' | 'double'; readonly at: number; readonly length: number }
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'end'; readonly at: number }

const at = fc.nat(100_000)
/** What parsers look for, and what is not expected of them. */
const dictionary = [
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\0',
  ': ',
  'HTTP/1.1 101 ',
  'Upgrade: h2c\r\n',
  'Content-Length: 9\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Expect: 100-continue\r\n',
  '\x16\x03\x01',
  '\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff',
  '\x88\x00',
  '\xff'.repeat(14),
]
const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 12 }),
  fc.constantFrom(...dictionary.map(text => Uint8Array.from(Buffer.from(text, 'latin1')))),
)

export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('set' as const, 'insert' as const), at, bytes }),
    fc.record({ kind: fc.constantFrom('cut' as const, 'double' as const), at, length: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat(7) }),
    fc.record({ kind: fc.constant('end' as const), at }),
  ),
  { maxLength: 4 },
)

export function mutated(original: Uint8Array, changes: readonly Mutation[]): Buffer {
  let bytes = Buffer.from(original)
  for (const change of changes) {
    const at = change.at % (bytes.length + 1)
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
    switch (change.kind) {
      case 'set':
        bytes = Buffer.concat([before, change.bytes, after.subarray(change.bytes.length)])
        break
      case 'insert':
        bytes = Buffer.concat([before, change.bytes, after])
        break
      case 'cut':
        bytes = Buffer.concat([before, after.subarray(change.length)])
        break
      case 'double':
        bytes = Buffer.concat([before, after.subarray(0, change.length), after])
        break
      case 'flip':
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << change.bit)
        break
      case 'end':
        bytes = before
    }
  }
  return bytes
}
