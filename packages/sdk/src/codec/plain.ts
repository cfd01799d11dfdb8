/** The same bytes, not as a Buffer: what is cut out of them has the type that it has everywhere. */
export function plain({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
