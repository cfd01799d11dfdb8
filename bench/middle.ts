/** Key and certificate, in PEM. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

export interface Upstream {
  /** `ws://localhost:port` or `wss://localhost:port` of the server. */
  readonly url: string
  /** The server's own, for localhost; the pipe and the `ws` ends show the same to the client. */
  readonly certificate: Certificate
  /** Who signed it; Midwire's own authority too. */
  readonly authority: Certificate
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
