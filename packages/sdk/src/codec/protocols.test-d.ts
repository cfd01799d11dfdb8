import { MethodSchema, TimestampSchema } from '@bufbuild/protobuf/wkt'
import type { Method, Timestamp } from '@bufbuild/protobuf/wkt'
import type { Message } from '@midwire/proxy'
import type { InterceptionProxy } from '../interception-proxy.ts'
import { startInterceptionProxy } from '../start.ts'
import * as v from 'valibot'
import { expectTypeOf } from 'vitest'
import * as z from 'zod'
import { cbor } from './cbor.ts'
import { delimitedJson } from './delimited-json.ts'
import type { EngineIoPacket } from './engine-io.ts'
import { graphqlWs } from './graphql-ws.ts'
import { json } from './json.ts'
import { mqtt } from './mqtt.ts'
import type { MqttPacket } from './mqtt.ts'
import { phoenix } from './phoenix.ts'
import { protobuf } from './protobuf.ts'
import { signalR } from './signalr.ts'
import { signalRMsgpack } from './signalr-msgpack.ts'
import { socketIo } from './socket-io.ts'
import { stomp } from './stomp.ts'
import { withSchema } from './with-schema.ts'

// MQTT: fields of the packet that `cmd` names.
const broker = await startInterceptionProxy({ codec: mqtt() })
broker.onClientMessage({ cmd: 'publish', qos: 1, topic: /^a/ })
broker.onServerMessage({ cmd: 'suback', granted: [1] })
broker.onServerMessage().patch(packet => {
  if (packet.cmd === 'publish') packet.topic = 'b'
})
expectTypeOf(broker.waitForClientMessage()).resolves.toEqualTypeOf<Message<MqttPacket>>()
// @ts-expect-error no such packet
broker.onClientMessage({ cmd: 'publsh' })
// @ts-expect-error no such quality of service
broker.onClientMessage({ cmd: 'publish', qos: 3 })
// @ts-expect-error no packet has it
broker.onClientMessage({ cmd: 'publish', channel: 'a' })
// @ts-expect-error a SUBACK has it, a PUBLISH has not
broker.onClientMessage({ cmd: 'publish', granted: [1] })
// @ts-expect-error a topic is needed
broker.onClientMessage().reply({ cmd: 'publish', payload: 'x', qos: 0, dup: false, retain: false })

// Socket.IO: packets, and the arguments of events.
interface Events {
  readonly chat: (text: string) => void
  readonly upload: (file: Uint8Array, done: (answer: string) => void) => void
}
const chat = await startInterceptionProxy({ codec: socketIo<Events>() })
chat.onClientMessage({ type: 'EVENT', data: ['chat', /hello/] })
chat.onServerMessage({ type: 'open', data: { pingInterval: 25_000 } })
chat.onServerMessage({ type: 'CONNECT_ERROR', nsp: '/admin' })
chat.onClientMessage().reply({ type: 'EVENT', nsp: '/', data: ['upload', new Uint8Array(1)] })
// @ts-expect-error no such type
chat.onClientMessage({ type: 'EMIT' })
// @ts-expect-error an EVENT has no such field
chat.onClientMessage({ type: 'EVENT', event: 'chat' })
// @ts-expect-error no such event
chat.onClientMessage().reply({ type: 'EVENT', nsp: '/', data: ['chatt', 'a'] })
// @ts-expect-error a text is needed
chat.onClientMessage().reply({ type: 'EVENT', nsp: '/', data: ['chat', 1] })
const anyChat = await startInterceptionProxy({ codec: socketIo() })
anyChat.onClientMessage().reply({ type: 'EVENT', nsp: '/', data: ['anything', 1, true] })
declare const engine: InterceptionProxy<EngineIoPacket>
// @ts-expect-error a ping carries text
engine.onClientMessage({ type: 'ping', data: 1 })

// graphql-ws: types as the strings that travel.
const graphql = await startInterceptionProxy({ codec: graphqlWs() })
graphql.onServerMessage({ type: 'next', payload: { data: { countdown: 2 } } })
graphql.onClientMessage({ type: 'subscribe', payload: { query: /^subscription/ } })
// @ts-expect-error no such type
graphql.onServerMessage({ type: 'nex' })
// @ts-expect-error a `complete` has no payload
graphql.onServerMessage({ type: 'complete', payload: { data: {} } })

// Phoenix: the payload has the type that is given.
const channels = await startInterceptionProxy({ codec: phoenix<{ readonly text: string } | Uint8Array>() })
channels.onClientMessage({ topic: 'room:1', event: 'shout', payload: { text: 'hi' } })
// @ts-expect-error no such field
channels.onClientMessage({ channel: 'room:1' })
// @ts-expect-error no such field of the payload
channels.onClientMessage({ payload: { txt: 'hi' } })

// SignalR: one shape for both protocols.
const hub = await startInterceptionProxy({ codec: signalR() })
const binaryHub = await startInterceptionProxy({ codec: signalRMsgpack() })
expectTypeOf(hub.waitForClientMessage()).toEqualTypeOf(binaryHub.waitForClientMessage())
hub.onClientMessage({ type: 1, target: 'send', arguments: ['a'] })
hub.onServerMessage({ type: 3, result: 4 })
hub.onClientMessage({ protocol: 'json' })
// @ts-expect-error no such type
hub.onClientMessage({ type: 10 })
// @ts-expect-error a ping has no target
hub.onClientMessage({ type: 6, target: 'send' })

// STOMP: headers of the command, and others.
const stompBroker = await startInterceptionProxy({ codec: stomp() })
stompBroker.onClientMessage({ command: 'SEND', headers: { destination: '/queue/a', 'x-mine': '1' }, body: /hello/ })
stompBroker.onClientMessage({ command: 'heart-beat' })
// @ts-expect-error no such command
stompBroker.onClientMessage({ command: 'SENT' })
// @ts-expect-error a destination is needed
stompBroker.onClientMessage().reply({ command: 'MESSAGE', headers: { subscription: '0', 'message-id': '1' } })

// protobuf: one type, or one for each side.
const times = await startInterceptionProxy({ codec: protobuf(TimestampSchema) })
times.onClientMessage({ seconds: 1n })
// @ts-expect-error no such field
times.onClientMessage({ minutes: 1 })
const service = await startInterceptionProxy({ codec: protobuf({ client: MethodSchema, server: TimestampSchema }, { delimited: true }) })
expectTypeOf(service.waitForClientMessage()).resolves.toEqualTypeOf<Message<Method | Timestamp>>()

// JSON with delimiters, and CBOR: the type that is given.
const lines = await startInterceptionProxy({ codec: delimitedJson<{ readonly n: number }>('\n') })
// @ts-expect-error not a number
lines.onClientMessage({ n: 'x' })
// @ts-expect-error no such delimiter
delimitedJson(',')
const cbors = await startInterceptionProxy({ codec: cbor<{ readonly n: number }>() })
// @ts-expect-error no such field
cbors.onClientMessage({ m: 1 })

// A schema types what it checks, as it is on the wire.
const Message = z.discriminatedUnion('action', [
  z.object({ action: z.literal('ATTACH'), channel: z.string() }),
  z.object({ action: z.literal('ACK'), serial: z.number().default(0) }),
])
const checked = await startInterceptionProxy({ codec: withSchema(json(), Message) })
checked.onClientMessage({ action: 'ATTACH', channel: 'a' })
checked.onClientMessage().reply({ action: 'ACK' })
// @ts-expect-error no such action
checked.onClientMessage({ action: 'ATACH' })
// @ts-expect-error an ACK has it, an ATTACH has not
checked.onClientMessage({ action: 'ATTACH', serial: 1 })
const counted = await startInterceptionProxy({ codec: withSchema(cbor(), v.object({ n: v.number() })) })
// @ts-expect-error not a number
counted.onClientMessage({ n: 'x' })
// @ts-expect-error no schema
withSchema(json(), { type: 'object' })
