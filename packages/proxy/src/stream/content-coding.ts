import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'

/** How a body is coded (RFC 9110 §8.4): both ways, as streams. */
export interface ContentCoding {
  decoder(): Transform
  encoder(): Transform & { flush(): void }
}

const codings: Readonly<Record<string, ContentCoding>> = {
  gzip: { decoder: () => zlib.createGunzip(), encoder: () => zlib.createGzip() },
  'x-gzip': { decoder: () => zlib.createGunzip(), encoder: () => zlib.createGzip() },
  deflate: { decoder: () => zlib.createInflate(), encoder: () => zlib.createDeflate() },
  br: { decoder: () => zlib.createBrotliDecompress(), encoder: () => zlib.createBrotliCompress() },
  ...('createZstdDecompress' in zlib && {
    zstd: { decoder: () => zlib.createZstdDecompress(), encoder: () => zlib.createZstdCompress() },
  }),
}

/** 'identity' for a body that is not coded, `undefined` for a coding that is not known, or several. */
export function contentCoding(header: string | undefined): ContentCoding | 'identity' | undefined {
  const name = header?.trim().toLowerCase() ?? ''
  return name === '' || name === 'identity' ? 'identity' : codings[name]
}
