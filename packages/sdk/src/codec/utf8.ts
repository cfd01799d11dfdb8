const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text as it was written, a byte order mark included. @throws TypeError when bytes are not UTF-8 */
export function utf8(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}
