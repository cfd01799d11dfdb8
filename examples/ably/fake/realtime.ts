import type { IncomingMessage, Server } from 'node:http'
import { WebSocketServer } from 'ws'
import { type Format, named, numbered, read, write } from '../protocol-message.ts'
import type { Hub } from './hub.ts'
import type { Carrier } from './session.ts'

/** Serves connections over WebSocket: one protocol message a frame, text for JSON and binary for msgpack. */
export function serveRealtime(hub: Hub, server: Server): WebSocketServer {
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request: IncomingMessage) => {
    // Somebody who only asks whether WebSockets get through.
    if (request.headers.host === 'ws-up.ably-realtime.com') return
    const query = new URL(request.url ?? '/', 'ws://fake').searchParams
    const format: Format = query.get('format') === 'msgpack' ? 'msgpack' : 'json'
    const carrier: Carrier = {
      send: message => socket.send(write(numbered(message), format)),
      end: () => socket.close(),
    }
    const session = hub.connect(query, carrier)
    socket.on('message', data => session?.receive(named(read(data as Buffer, format))))
    const pings = setInterval(() => socket.ping(), hub.maxIdleInterval)
    socket.on('close', () => {
      clearInterval(pings)
      session?.lose(carrier)
    })
  })
  return sockets
}
