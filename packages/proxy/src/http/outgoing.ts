import type { ClientRequest, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Writes bytes of a head of its own before the message's head, in the message's turn (Node's own `writeProcessing` does so). */
export function writeRaw(message: ServerResponse, text: string): void {
  const write: unknown = Reflect.get(message, '_writeRaw')
  if (typeof write === 'function') write.call(message, text, 'latin1')
}

export function addTrailers(message: ClientRequest | ServerResponse, rawTrailers: readonly string[]): void {
  if (rawTrailers.length === 0) return
  const pairs: [string, string][] = []
  for (let n = 0; n < rawTrailers.length; n += 2) pairs.push([rawTrailers[n] ?? '', rawTrailers[n + 1] ?? ''])
  message.addTrailers(pairs)
}

const { nextTick } = process

/** Lets what is written to a socket in this turn leave in one piece: a head and the first of its body, which comes a tick or two later. */
export function corkBriefly(socket: Socket, then?: () => void): void {
  socket.cork()
  nextTick(() =>
    nextTick(() =>
      nextTick(() => {
        then?.()
        socket.uncork()
      }),
    ),
  )
}
