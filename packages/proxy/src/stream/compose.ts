import type { Envelope, Framing } from './framing.ts'
import { one } from './packing.ts'
import type { Packing } from './packing.ts'

/**
 * What takes the place of an envelope whose messages left as `written`: its very bytes if nothing was changed, and nothing at all if
 * none is left of what is no whole body.
 */
export function compose(
  framing: Framing,
  packing: Packing,
  envelope: Envelope | undefined,
  arrived: readonly Uint8Array[],
  written: readonly Uint8Array[],
): Uint8Array {
  if (envelope && written.length === arrived.length && written.every((bytes, n) => same(bytes, arrived[n]))) return envelope.bytes
  if (packing === one)
    return Buffer.concat(written.map(bytes => (envelope && same(bytes, arrived[0]) ? envelope.bytes : framing.write(bytes, envelope))))
  const payload = written.length === 0 && framing.whole !== true ? undefined : packing.join(written)
  return payload === undefined ? Buffer.alloc(0) : framing.write(payload, envelope)
}

function same(bytes: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && (bytes === other || Buffer.compare(bytes, other) === 0)
}
