import type { Socket } from 'node:net'

/** Resolves when `upstream` has connected. @throws the error that it fails with, also where `begin` tells of one; gone.reason if the client gave up */
export function dialling(upstream: Socket, gone: AbortSignal, begin: (failed: (error: Error) => void) => void): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const settle = (): void => {
    gone.removeEventListener('abort', aborted)
    upstream.off('error', failed).off('connect', connected)
  }
  const aborted = (): void => {
    settle()
    upstream.destroy()
    reject(gone.reason)
  }
  const failed = (error: Error): void => {
    settle()
    reject(error)
  }
  const connected = (): void => {
    settle()
    resolve(upstream)
  }
  upstream.once('error', failed).once('connect', connected)
  gone.addEventListener('abort', aborted)
  if (gone.aborted) aborted()
  else begin(failed)
  return promise
}
