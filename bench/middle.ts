import type { Certificate } from './certificate.ts'

export interface Upstream {
  /** `ws://localhost:port` or `wss://localhost:port` of the server. */
  readonly url: string
  /** The server's own; what stands before it shows the same to the client. */
  readonly certificate: Certificate
}

export interface Running {
  /** Where the client connects to instead: the same scheme, another port, or the same URL where the connection is captured. */
  readonly url: string
  stop(): Promise<void>
}

/** What can stand between client and server, in the client's process. */
export interface Middle {
  readonly name: string
  start(upstream: Upstream): Promise<Running>
}

/** Moves `url` to a local port. */
export function at(url: string, port: number): string {
  const moved = new URL(url)
  moved.port = String(port)
  return moved.origin
}
