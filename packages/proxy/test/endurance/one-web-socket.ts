import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { content, frameBytes } from '../transparency/frames.ts'

const request = Buffer.from(
  'GET /socket HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
)
const answer = Buffer.from(
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
)
const close = { opcode: 8, payload: Buffer.from([3, 232]), key: 7 }

export interface UpgradeServer extends AsyncDisposable {
  readonly port: number
}

/** Listens on a loopback port and agrees to every upgrade; then the connection is `onOpen`'s. */
export async function upgradeServer(onOpen: (socket: Socket) => void): Promise<UpgradeServer> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.once('data', () => {
      socket.write(answer)
      onOpen(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Sends a message back, answers a close frame, and ends when the client does. */
export function echoAndClose(socket: Socket): void {
  socket.on('data', () => {
    socket.write(frameBytes({ opcode: 1, payload: content(20, 1), masked: false, key: 0 }))
    socket.end(frameBytes({ ...close, masked: false }))
  })
}

/** A client that has been told 101; what comes after it is read from the socket. */
export async function openWebSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(request)
  let head = Buffer.alloc(0)
  while (head.indexOf('\r\n\r\n') < 0) {
    await once(socket, 'readable')
    head = Buffer.concat([head, (socket.read() as Buffer | null) ?? Buffer.alloc(0)])
  }
  const rest = head.subarray(head.indexOf('\r\n\r\n') + 4)
  if (rest.length > 0) socket.unshift(rest)
  return socket
}

/** Connects, sends a message and a close frame, reads to the end, and ends. */
export async function openAndClose(port: number): Promise<number> {
  const socket = await openWebSocket(port)
  let length = 0
  socket.on('data', chunk => (length += chunk.length))
  socket.write(frameBytes({ opcode: 1, payload: content(20, 1), masked: true, key: 99 }))
  socket.write(frameBytes({ ...close, masked: true }))
  await once(socket, 'end')
  socket.end()
  await once(socket, 'close')
  return length
}
