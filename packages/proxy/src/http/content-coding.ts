import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib'
import { MidwireError } from '../errors.ts'

/** More than this is not inflated for anybody to look at. */
const maxOutputLength = 256 * 1024 * 1024

/** The codings of a body in the order of their application (RFC 9110 §8.4), 'identity' left out. */
function codingsOf(contentEncoding: string | undefined): string[] {
  return (contentEncoding ?? '')
    .split(',')
    .map(coding => coding.trim().toLowerCase())
    .filter(coding => coding !== '' && coding !== 'identity')
}

/** A body without its content codings. @throws MidwireError MIDWIRE_CODEC on a coding that is not known, or a body that is not so coded */
export function decodeContent(body: Uint8Array, contentEncoding: string | undefined): Uint8Array {
  const codings = codingsOf(contentEncoding)
  if (codings.length === 0 || body.length === 0) return body
  try {
    return codings.reduceRight((bytes, coding) => decoded(bytes, coding), body)
  } catch (cause) {
    if (cause instanceof MidwireError) throw cause
    throw new MidwireError('MIDWIRE_CODEC', `a body of ${body.length} bytes is not ${JSON.stringify(contentEncoding)}: ${String(cause)}`, {
      cause,
    })
  }
}

/** The same codings again. @throws MidwireError MIDWIRE_CODEC on a coding that is not known */
export function encodeContent(body: Uint8Array, contentEncoding: string | undefined): Uint8Array {
  return codingsOf(contentEncoding).reduce((bytes, coding) => encoded(bytes, coding), body)
}

function decoded(bytes: Uint8Array, coding: string): Uint8Array {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return gunzipSync(bytes, { maxOutputLength })
    case 'deflate':
      // RFC 9110 §8.4.1.2: "some non-conformant implementations send the deflate data without the zlib wrapper"
      return ((bytes[0] ?? 0) & 0x0f) === 8 ? inflateSync(bytes, { maxOutputLength }) : inflateRawSync(bytes, { maxOutputLength })
    case 'br':
      return brotliDecompressSync(bytes, { maxOutputLength })
    case 'zstd':
      return zstdDecompressSync(bytes, { maxOutputLength })
    default:
      throw unknownCoding(coding)
  }
}

function encoded(bytes: Uint8Array, coding: string): Uint8Array {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return gzipSync(bytes)
    case 'deflate':
      return deflateSync(bytes)
    case 'br':
      return brotliCompressSync(bytes)
    case 'zstd':
      return zstdCompressSync(bytes)
    default:
      throw unknownCoding(coding)
  }
}

function unknownCoding(coding: string): MidwireError {
  return new MidwireError('MIDWIRE_CODEC', `the content coding ${JSON.stringify(coding)} is not known — gzip, deflate, br and zstd are`)
}
