import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'

export interface Events {
  news: (n: number) => void
}

export interface NewsServer extends AsyncDisposable {
  /** Plain `http://127.0.0.1:port`. */
  readonly url: string
  /** Says it to everybody, also to those who are away for a while. */
  tell(n: number): void
}

/** A server that keeps what clients miss. */
export async function startServer(): Promise<NewsServer> {
  const http = createServer()
  const news = new Server<Events, Events>(http, { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    tell: n => void news.emit('news', n),
    async [Symbol.asyncDispose]() {
      await news.close()
    },
  }
}
