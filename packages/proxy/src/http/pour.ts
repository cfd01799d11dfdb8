import { PassThrough, type Readable, type Writable } from 'node:stream'
import type { Body } from './sides.ts'

export interface Pouring {
  /** Sees each chunk before it is written; it must not keep what it may not copy. */
  readonly onChunk?: ((chunk: Buffer) => void) | undefined
  /** After so many bytes it stops reading and calls `onStop`; what is left can be read by another. @default never */
  readonly stopAt?: number | undefined
  readonly onStop?: (() => void) | undefined
  /** All was read; `to` is not ended yet. */
  readonly onEnd: () => void
}

/** Writes a body chunk by chunk, with back-pressure. What can no longer be written is read and thrown away. */
export function pour(from: Readable, to: Writable, { onChunk, stopAt = Infinity, onStop, onEnd }: Pouring): void {
  let left = stopAt
  const stop = (rest?: Buffer): void => {
    from.off('data', onData).off('end', onEnd)
    to.off('drain', resume).off('close', resume)
    from.pause()
    if (rest && rest.length > 0) from.unshift(rest)
    onStop?.()
  }
  const onData = (chunk: Buffer): void => {
    const part = chunk.length < left ? chunk : chunk.subarray(0, left)
    left -= part.length
    onChunk?.(part)
    if (part.length > 0 && !to.destroyed && !to.writableEnded && !to.write(part)) from.pause()
    if (left === 0) stop(chunk.subarray(part.length))
  }
  const resume = (): void => void from.resume()
  to.on('drain', resume)
  to.on('close', resume)
  from.on('data', onData)
  from.on('end', onEnd)
  if (left === 0) stop()
}

/** Reads a body that nobody wants. */
export function drain(from: Readable, onChunk?: (chunk: Buffer) => void, onEnd?: () => void): void {
  if (onChunk) from.on('data', onChunk)
  if (onEnd) from.on('end', onEnd)
  from.resume()
}

/** A stream that may break when nobody listens any more. */
export function unwatched(): PassThrough {
  return new PassThrough().on('error', () => {
    // A body breaks off only together with a cut of its side.
  })
}

/** The same body, with each chunk shown on its way; chunk by chunk, as it came. */
export function tap({ stream, trailers }: Body, onChunk: (chunk: Buffer) => void, onEnd: () => void): Body {
  const out = unwatched()
  pour(stream, out, {
    onChunk,
    onEnd: () => {
      onEnd()
      out.end()
    },
  })
  stream.on('error', error => out.destroy(error))
  return { stream: out, trailers }
}
