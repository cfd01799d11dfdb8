import type { Socket } from 'node:net'
import type { Landing } from '../capture/loopback.ts'

/** The parent's listener for connections: their other ends are in its hands, not in ours. */
export class ParentLanding implements Landing {
  readonly port: number
  #latest: number | undefined

  constructor(port: number) {
    this.port = port
  }

  expect(client: Socket): () => void {
    this.#latest = client.localPort
    return () => {}
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** The local port of the client that `connect` sends here, if it does. */
  portOf(connect: () => void): number | undefined {
    this.#latest = undefined
    connect()
    return this.#latest
  }
}
