import { encodePayload } from 'engine.io-parser'
import type { Packet as EngineIoRaw } from 'engine.io-parser'
import * as fc from 'fast-check'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import type { Socket } from 'socket.io-client'
import { Decoder, Encoder, PacketType } from 'socket.io-parser'
import type { Packet } from 'socket.io-parser'
import { describe, expect, test } from 'vitest'
import { startInterceptionProxy } from '../start.ts'
import type { StartedProxy } from '../start.ts'
import { bytesOf, CodecReader } from '../testing/codec-reader.ts'
import { jsonData } from '../testing/json-data.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import { engineIo } from './engine-io.ts'
import { socketIo } from './socket-io.ts'
import type { SocketIoPacket } from './socket-io.ts'

const webSocket = { url: 'wss://host.example.com/socket.io/?EIO=4&transport=websocket' }
const polling = { url: 'https://host.example.com/socket.io/?EIO=4&transport=polling' }

const name = fc.stringMatching(/^[a-z]{1,8}$/).filter(event => !event.startsWith('connect') && !event.startsWith('disconnect'))
const argument = fc.oneof(
  jsonData,
  fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
  fc.record({ file: fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)), title: fc.string() }),
)
const nsp = fc.constantFrom('/', '/admin')
const id = fc.nat({ max: 1000 })
const args = fc.array(argument, { maxLength: 4 })

const packets: fc.Arbitrary<SocketIoPacket> = fc.oneof(
  fc.record({
    type: fc.constant('EVENT' as const),
    nsp,
    data: fc.tuple(name, args).map(([event, rest]): [string, ...unknown[]] => [event, ...rest]),
  }),
  fc.record({ type: fc.constant('ACK' as const), nsp, id, data: args }),
  fc.record({ type: fc.constant('CONNECT' as const), nsp, data: fc.record({ sid: fc.string() }) }),
  fc.record({ type: fc.constant('DISCONNECT' as const), nsp }),
  fc.record({ type: fc.constantFrom('ping' as const, 'pong' as const, 'upgrade' as const, 'noop' as const) }),
)

/** As the libraries write it: text and attachments. */
function written(packet: SocketIoPacket): (string | Buffer)[] {
  if (packet.type === 'attachment') return [Buffer.from(packet.data)]
  if (!('nsp' in packet)) return [{ ping: '2', pong: '3', upgrade: '5', noop: '6', open: '0', close: '1' }[packet.type]]
  return new Encoder()
    .encode({ ...packet, type: PacketType[packet.type] })
    .map((part: string | Buffer) => (typeof part === 'string' ? `4${part}` : part))
}

/** As the libraries read it. */
function readByParser(payloads: readonly (string | Uint8Array)[]): Packet[] {
  const found: Packet[] = []
  const decoder = new Decoder({ maxAttachments: Infinity })
  decoder.on('decoded', packet => void found.push(packet))
  for (const payload of payloads)
    if (typeof payload !== 'string') decoder.add(payload)
    else if (payload.startsWith('4')) decoder.add(payload.slice(1))
  return found
}

describe('over WebSocket', () => {
  test('a packet and its attachments are one message, in the frames that carried it, and socket.io-parser reads what is written', () => {
    fc.assert(
      fc.property(fc.array(packets), sent => {
        const reader = new CodecReader(socketIo(), webSocket)
        for (const packet of sent) {
          const payloads = written(packet)
          for (const payload of payloads) reader.push(payload)
          const message = reader.messages.at(-1)
          expect(message?.value).toEqual(packet)
          expect(message?.bytes).toEqual(Buffer.concat(payloads.map(bytesOf)))
          const frames = payloads.map(payload => ({ size: bytesOf(payload).length, binary: typeof payload !== 'string' }))
          expect(message?.frames).toEqual(payloads.length > 1 ? frames : undefined)
          expect(readByParser(reader.encode(packet))).toEqual(readByParser(payloads))
        }
        expect(reader.messages).toHaveLength(sent.length)
        expect(reader.rest).toHaveLength(0)
      }),
    )
  })

  test('what comes instead of an attachment is no message, and what follows is', () => {
    const reader = new CodecReader(socketIo(), webSocket)
    reader.push('451-["file",{"_placeholder":true,"num":0}]')
    expect(() => reader.push('2')).toThrow('ping came where an attachment was expected')
    reader.rest = Buffer.alloc(0)
    expect(reader.push('42["hello"]').values).toEqual([{ type: 'EVENT', nsp: '/', data: ['hello'] }])
  })

  test.each([
    ['an attachment of nothing', Buffer.from('x'), 'got binary data when not reconstructing a packet'],
    ['an unknown type', '49', 'unknown packet type 9'],
    ['an unknown packet of Engine.IO', 'x', 'no packet begins with "x"'],
    ['an empty message', '', 'an empty packet'],
    ['broken JSON', '42["a', 'invalid payload'],
  ])('%s does not decode', (_, payload, reason) => {
    expect(() => new CodecReader(socketIo(), webSocket).push(payload)).toThrow(reason)
  })

  test('what is no packet is not written', () => {
    const reader = new CodecReader(socketIo(), webSocket)
    expect(() => reader.encode({ type: 'EVENT', nsp: '/', data: {} as never })).toThrow('no valid EVENT packet of Socket.IO')
    expect(() => reader.encode({ type: 'hello' as never })).toThrow('no packet of Engine.IO has the type "hello"')
  })
})

test('in long-polling, attachments of the server are text', () => {
  fc.assert(
    fc.property(fc.array(packets), sent => {
      const reader = new CodecReader(socketIo(), { ...polling, from: 'server' })
      for (const packet of sent) {
        const payloads = bodyOf(packet).split('\x1e')
        for (const payload of payloads) reader.push(payload)
        expect(reader.messages.at(-1)?.value).toEqual(packet)
        expect(reader.messages.at(-1)?.frames).toEqual(
          payloads.length > 1 ? payloads.map(payload => ({ size: Buffer.byteLength(payload), binary: false })) : undefined,
        )
        expect(reader.encode(packet)).toEqual(payloads)
      }
      expect(reader.rest).toHaveLength(0)
    }),
  )

  /** As engine.io-parser writes it. */
  function bodyOf(packet: SocketIoPacket): string {
    const types = { 2: 'ping', 3: 'pong', 4: 'message', 5: 'upgrade', 6: 'noop' } as const
    const raw = written(packet).map((part): EngineIoRaw =>
      typeof part === 'string' ? { type: types[Number(part[0]) as 2], data: part.slice(1) } : { type: 'message', data: part },
    )
    let body = ''
    encodePayload(raw, encoded => (body = encoded))
    return body
  }
})

test('in long-polling, attachments of the client are messages of their own, each of which it waits for', () => {
  const reader = new CodecReader(socketIo(), polling)
  const header = '451-/admin,["file",{"of":{"_placeholder":true,"num":0}}]'
  reader.push(header).push('bYg==').push('42["next"]')
  expect(reader.values).toEqual([
    { type: 'BINARY_EVENT', nsp: '/admin', data: ['file', { of: Buffer.alloc(0) }], attachments: 1 },
    { type: 'attachment', data: Buffer.from('b') },
    { type: 'EVENT', nsp: '/', data: ['next'] },
  ])
  expect(reader.values.flatMap(value => reader.encode(value!))).toEqual([header, 'bYg==', '42["next"]'])
  const without = { type: 'BINARY_EVENT', nsp: '/', data: ['file'], attachments: 1 } as const
  expect(() => reader.encode(without)).toThrow('BINARY_EVENT: 1 attachments, but 0 in its data')
})

test('the answer to a POST of long-polling is no payload', () => {
  const request = { host: 'a', url: '', path: '/my/io/', query: {}, headers: {} }
  for (const { streams } of [socketIo({ path: '/my/io/' }), engineIo({ path: '/my/io/' })]) {
    expect(streams).toMatchObject([{ path: '/my/io/', connectionKey: 'sid' }])
    expect(['GET', 'POST'].map(method => streams?.[0]?.answers?.({ ...request, method }))).toEqual([true, false])
  }
})

test('Engine.IO is a codec of its own, for what travels without Socket.IO', () => {
  const reader = new CodecReader(engineIo(), webSocket)
  const open = { sid: 'a', upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1e6 }
  reader
    .push(`0${JSON.stringify(open)}`)
    .push('4hello')
    .push(Buffer.from('bytes'))
    .push('2probe')
    .push('3')
    .push('4')
  expect(reader.values).toEqual([
    { type: 'open', data: open },
    { type: 'message', data: 'hello' },
    { type: 'message', data: Buffer.from('bytes') },
    { type: 'ping', data: 'probe' },
    { type: 'pong' },
    { type: 'message', data: '' },
  ])
  expect(reader.values.flatMap(value => reader.encode(value!))).toEqual([
    `0${JSON.stringify(open)}`,
    '4hello',
    Buffer.from('bytes'),
    '2probe',
    '3',
    '4',
  ])
  expect(() => new CodecReader(engineIo(), webSocket).push('9')).toThrow('no packet begins with "9"')
  const polled = new CodecReader(engineIo(), polling)
  expect(polled.push('4a').push('bYg==').values).toEqual([
    { type: 'message', data: 'a' },
    { type: 'message', data: Buffer.from('b') },
  ])
  expect(polled.encode({ type: 'message', data: Buffer.from('b') })).toEqual(['bYg=='])
})

describe('a real client and server', () => {
  interface Events {
    readonly upload: (title: string, file: Buffer, done: (answer: string) => void) => void
    readonly chat: (text: string) => void
  }

  type Transport = 'websocket' | 'polling'

  async function startChat(
    transport: Transport = 'websocket',
  ): Promise<{ readonly url: string; readonly chats: readonly string[] } & AsyncDisposable> {
    const server = await startSocketServer()
    const chat = new Server(server.http, { transports: [transport] })
    const chats: string[] = []
    chat.on('connection', socket => {
      socket.on('chat', (text: string) => {
        chats.push(text)
        socket.emit('chat', text)
      })
      socket.on('upload', (title: string, file: Buffer, done: (answer: string) => void) => {
        done(`${title}: ${file.toString()}`)
        socket.emit('file', { title, parts: [file, Buffer.from('!')] })
      })
    })
    return {
      url: server.url,
      chats,
      async [Symbol.asyncDispose]() {
        await chat.close()
      },
    }
  }

  function connect(transport: Transport = 'websocket'): Socket & Disposable {
    const socket = io('http://chat.example.com', { transports: [transport], reconnection: false, forceNew: true })
    return Object.assign(socket, { [Symbol.dispose]: () => void socket.disconnect() })
  }

  async function startProxied(url: string): Promise<StartedProxy<SocketIoPacket<Events>>> {
    return startInterceptionProxy({ codec: socketIo<Events>(), route: { 'chat.example.com': url } })
  }

  test.each(['websocket', 'polling'] as const)(
    'over %s, an event is dropped, another one changed, and a third one answered',
    async transport => {
      await using chat = await startChat(transport)
      await using proxy = await startProxied(chat.url)
      proxy.onClientMessage({ type: 'EVENT', data: ['chat', 'lost'] }).drop()
      proxy.onClientMessage({ type: 'EVENT', data: ['chat', 'wrong'] }).patch({ data: ['chat', 'right'] })
      proxy.onClientMessage({ type: 'EVENT', data: ['chat', 'mine'] }).reply({ type: 'EVENT', nsp: '/', data: ['chat', 'from the wire'] })

      using client = connect(transport)
      const received: string[] = []
      const all = new Promise<void>(resolve => {
        client.on('chat', (text: string) => {
          if (received.push(text) === 3) resolve()
        })
      })
      for (const text of ['lost', 'wrong', 'mine', 'end']) client.emit('chat', text)
      await all
      expect(chat.chats).toEqual(['right', 'end'])
      expect(received.toSorted()).toEqual(['end', 'from the wire', 'right'])
      await proxy.waitForServerMessage({ type: 'open', data: { sid: /./ } })
      await proxy.waitForClientMessage({ type: 'CONNECT' })
    },
  )

  test.each(['websocket', 'polling'] as const)('over %s, attachments are changed in place, and delivered again', async transport => {
    await using chat = await startChat(transport)
    await using proxy = await startProxied(chat.url)
    proxy
      .onClientMessage({ type: 'EVENT' })
      .optional()
      .patch(packet => {
        if (packet.type === 'EVENT' && packet.data[0] === 'upload') packet.data[2].write('J')
      })
    proxy
      .onClientMessage({ type: 'attachment' })
      .optional()
      .patch({ data: Buffer.from('Jello') })
    proxy.onServerMessage(packet => packet.type === 'EVENT').duplicate()

    using client = connect(transport)
    const files: string[] = []
    const twice = new Promise<void>(resolve => {
      client.on('file', ({ parts }: { readonly parts: readonly Buffer[] }) => {
        if (files.push(Buffer.concat(parts).toString()) === 2) resolve()
      })
    })
    const answer: unknown = await client.emitWithAck('upload', 'greeting', Buffer.from('Hello'))
    await twice
    expect(answer).toBe('greeting: Jello')
    expect(files).toEqual(['Jello!', 'Jello!'])
    const upload = await proxy.waitForClientMessage({ id: 0 })
    const file = Buffer.from(transport === 'websocket' ? 'Hello' : '')
    expect(upload.value).toMatchObject({ data: ['upload', 'greeting', file] })
  })
})
