import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex, Writable } from 'node:stream'
import { answerRequest } from './http-server.ts'
import type { Certificate } from './middle.ts'
import { blockOf, clientFrame, payloadOf, serverFrame } from './wire.ts'

export interface Ports {
  readonly ws: number
  readonly wss: number
}

/** A raw WebSocket server that counts bytes and parses no frame, so that what stands before it is measured and not it; HTTP beside it. */
export async function startServer(certificate: Certificate): Promise<Ports> {
  const servers: Server[] = [createServer(answerRequest), createTlsServer(certificate, answerRequest)]
  const ports = servers.map(async server => {
    server.on('upgrade', upgrade)
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 })
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  })
  return { ws: await ports[0]!, wss: await ports[1]! }
}

function upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
  const socket = stream as Socket
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
  const url = new URL(request.url!, 'ws://localhost')
  const count = behaviours[url.pathname]!(socket, Number(url.searchParams.get('size')), Number(url.searchParams.get('frames')))
  if (head.length) count(head.length)
  socket.on('data', bytes => count(bytes.length))
}

type Behaviour = (socket: Socket, size: number, frames: number) => (bytes: number) => void

const behaviours: Record<string, Behaviour> = {
  /** Answers every frame of `size` payload bytes with one of the same payload. */
  '/echo': (socket, size) => {
    const incoming = clientFrame(payloadOf(size)).length
    const reply = serverFrame(payloadOf(size))
    let seen = 0
    return bytes => {
      for (seen += bytes; seen >= incoming; seen -= incoming) socket.write(reply)
    }
  },
  /** Answers every `frames` frames of `size` payload bytes with a single one. */
  '/sink': (socket, size, frames) => {
    const expected = clientFrame(payloadOf(size)).length * frames
    const done = serverFrame(payloadOf(64))
    let seen = 0
    return bytes => {
      for (seen += bytes; seen >= expected; seen -= expected) socket.write(done)
    }
  },
  /** Answers every frame of 64 payload bytes with `frames` frames of `size` payload bytes. */
  '/source': (socket, size, frames) => {
    const incoming = clientFrame(payloadOf(64)).length
    const frame = serverFrame(payloadOf(size))
    const block = blockOf(frame)
    let seen = 0
    return bytes => {
      for (seen += bytes; seen >= incoming; seen -= incoming) void pour(socket, block, frame, frames)
    }
  },
}

/** Writes `frames` frames, block by block, waiting for the stream whenever it is full. */
export async function pour(socket: Writable, block: Buffer, frame: Buffer, frames: number): Promise<void> {
  let left = frames * frame.length
  while (left > 0) {
    const flowing = socket.write(left >= block.length ? block : block.subarray(0, left))
    left -= block.length
    if (!flowing) await once(socket, 'drain')
  }
}
