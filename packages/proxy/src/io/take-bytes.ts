import type { Socket } from 'node:net'

/** Takes exactly so many bytes off a stream that nobody else reads, once they have come; `undefined` if it ends before. */
export function takeBytes(stream: Socket, length: number): Promise<Buffer | undefined> {
  // A read of nothing gives nothing, ever.
  if (length === 0) return Promise.resolve(Buffer.alloc(0))
  return new Promise(resolve => {
    const settle = (bytes: Buffer | undefined): void => {
      stream.off('readable', look).off('end', onEnd).off('close', onEnd)
      resolve(bytes)
    }
    const look = (): void => {
      const bytes = stream.read(length) as Buffer | null
      // At its end, a stream gives what is left.
      if (bytes) settle(bytes.length === length ? bytes : undefined)
    }
    const onEnd = (): void => settle(undefined)
    stream.on('readable', look).on('end', onEnd).on('close', onEnd)
    if (stream.destroyed || stream.readableEnded) onEnd()
    else look()
  })
}

/** The first byte, which stays where it is; `undefined` if the stream ends without one. */
export async function peekByte(stream: Socket): Promise<number | undefined> {
  const bytes = await takeBytes(stream, 1)
  if (bytes) stream.unshift(bytes)
  return bytes?.[0]
}
