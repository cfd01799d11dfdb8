import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import type { Socket } from 'socket.io-client'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { socketIo } from '../codec/socket-io.ts'
import type { SocketIoPacket } from '../codec/socket-io.ts'
import { startInterceptionProxy } from '../start.ts'
import type { StartedProxy } from '../start.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import type { SocketServer } from '../testing/socket-server.ts'

interface Events {
  chat: (text: string) => void
  told: (text: string) => void
  ask: (text: string, answer: (text: string) => void) => void
}

/** Of the test: a client of an earlier one may still say goodbye. */
let host: string
let count = 0
let server: SocketServer
let sockets: Server<Events, Events>

beforeEach(async () => {
  host = `chat-${++count}.example.com`
  server = await startSocketServer()
  sockets = new Server(server.http)
  sockets.on('connection', socket => {
    socket.on('chat', text => {
      for (const part of text.split(',')) socket.emit('told', part)
    })
    socket.on('ask', (text, answer) => answer(`${text}!`))
  })
})
afterEach(async () => {
  await sockets.close()
  await server[Symbol.asyncDispose]()
})

function start(): Promise<StartedProxy<SocketIoPacket<Events>>> {
  return startInterceptionProxy({ codec: socketIo<Events>(), route: { [host]: server.url } })
}

/** A client, as it is, that leaves before its proxy does. */
function connect(...transports: readonly ('polling' | 'websocket')[]): Socket<Events, Events> & Disposable {
  const client: Socket<Events, Events> = io(`http://${host}`, { transports: [...transports], reconnectionDelay: 1, forceNew: true })
  return Object.assign(client, { [Symbol.dispose]: () => void client.disconnect() })
}

function told(socket: Socket<Events, Events>, count: number): Promise<string[]> {
  const texts: string[] = []
  return new Promise(resolve => {
    socket.on('told', text => {
      texts.push(text)
      if (texts.length === count) resolve(texts)
    })
  })
}

// The same tests on both transports: what a rule says of a message does not depend on what carries it.
describe.each(['websocket', 'polling'] as const)('a socket.io client over %s', transport => {
  test('events of the server are dropped, patched and sent twice', async () => {
    await using proxy = await start()
    proxy.onServerMessage({ type: 'EVENT', data: ['told', 'b'] }).drop()
    proxy.onServerMessage({ type: 'EVENT', data: ['told', 'c'] }).replace({ type: 'EVENT', nsp: '/', data: ['told', 'C'] })
    proxy.onServerMessage({ type: 'EVENT', data: ['told', 'd'] }).duplicate(1)
    using socket = connect(transport)
    const heard = told(socket, 4)
    socket.emit('chat', 'a,b,c,d')
    expect(await heard).toEqual(['a', 'C', 'd', 'd'])
    const { connection } = await proxy.waitForServerMessage({ type: 'EVENT', data: ['told', 'd'] })
    expect(connection.transport).toBe(transport)
    expect(proxy.client({ host }).connections).toHaveLength(1)
  })

  test('an event of the server is held, and released', async () => {
    await using proxy = await start()
    const rule = proxy.onServerMessage({ type: 'EVENT', data: ['told', 'b'] }).hold()
    using socket = connect(transport)
    const heard = told(socket, 3)
    socket.emit('chat', 'a,b,c')
    await rule.next()
    rule.releaseAll()
    expect(await heard).toEqual(['a', 'b', 'c'])
  })

  test('an event of the client is lost, and the next one is not', async () => {
    await using proxy = await start()
    proxy
      .onClientMessage({ type: 'EVENT', data: ['chat', 'lost'] })
      .once()
      .drop()
    using socket = connect(transport)
    const heard = told(socket, 1)
    socket.emit('chat', 'lost')
    await proxy.waitForClientMessage({ type: 'EVENT' })
    socket.emit('chat', 'found')
    expect(await heard).toEqual(['found'])
  })

  test('an acknowledgement is changed', async () => {
    await using proxy = await start()
    proxy.onServerMessage({ type: 'ACK' }).patch({ data: ['changed'] })
    using socket = connect(transport)
    expect(await socket.emitWithAck('ask', 'why')).toBe('changed')
  })

  test('a connection that is terminated is opened again', async () => {
    await using proxy = await start()
    using socket = connect(transport)
    await new Promise<void>(resolve => void socket.once('connect', resolve))
    const [first] = proxy.client({ host }).connections
    const again = new Promise<void>(resolve => void socket.once('connect', resolve))
    first?.terminate()
    await again
    const { connection } = await proxy.waitForServerMessage({ type: 'CONNECT' }, { nth: 2 })
    expect(connection.transport).toBe(transport)
    expect(connection).not.toBe(first)
    expect(first?.state).toBe('closed')
  })
})

test('a client that upgrades begins with polling, and goes on over a WebSocket', async () => {
  await using proxy = await start()
  using client = connect('polling', 'websocket')
  await new Promise<void>(resolve => void client.io.engine.once('upgrade', () => resolve()))
  await proxy.waitForConnection({ host, attempt: 2 })
  expect(proxy.client({ host }).connections.map(connection => connection.transport)).toEqual(['polling', 'websocket'])
  const heard = told(client, 1)
  client.emit('chat', 'a')
  expect(await heard).toEqual(['a'])
  const { connection } = await proxy.waitForServerMessage({ type: 'EVENT', data: ['told', 'a'] })
  expect(connection.transport).toBe('websocket')
})
