import type { Leg } from './leg.ts'

/**
 * Relays bytes that nobody interprets, both ways: FIN as FIN with half-close, RST as RST, back-pressure passed on. Bytes that
 * either stream has buffered go first.
 */
export function tunnel(client: Leg, server: Leg): void {
  relay(client, server)
  relay(server, client)
}

function relay(from: Leg, to: Leg): void {
  from.stream.pipe(to.stream)
  from.stream.once('close', () => {
    // A stream that was destroyed before its 'end' is never ended by pipe().
    if (from.wasReset || !from.stream.readableEnded) to.endLike(from)
  })
}
