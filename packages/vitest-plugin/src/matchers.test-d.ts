import { json } from '@midwire/sdk'
import type { InterceptionProxy, StartedProxy } from '@midwire/sdk'
import { expect, expectTypeOf } from 'vitest'
import { useInterceptionProxy } from './index.ts'

interface Attach {
  readonly action: 'ATTACH'
  readonly channel: string
}
interface Ack {
  readonly action: 'ACK'
  readonly serial: number
}

const proxy = useInterceptionProxy({ codec: json<Attach | Ack>() })
declare const bytes: InterceptionProxy
declare const started: StartedProxy<Ack>

// A match has the codec's type.
expect(proxy).toHaveSent()
expect(proxy).toHaveSent({ action: 'ATTACH', channel: /^a/ })
expect(proxy).toHaveSent((value, message) => value.action === 'ACK' && message.index === 0)
expect(proxy).not.toHaveReceived({ serial: expect.any(Number) })
expect(proxy.client({ query: { id: 'a' } })).toHaveSentInOrder([{ action: 'ATTACH' }, value => value.action === 'ACK'])
expect(proxy).toHaveConnected()
expect(proxy).toHaveConnected(2)
expect(proxy).toHaveConnected(2, { transport: 'websocket' })
expect(proxy).toHaveConnected({ transport: 'sse', path: /^\/events/ })
expect(proxy).toHaveRequested()
expect(proxy).toHaveRequested({ method: 'POST', path: /^\/keys/, body: { name: 'a' } })
expect(bytes).not.toHaveRequested(exchange => exchange.requestBytes > 0)
expect(bytes).toHaveSent(new Uint8Array([1]))
expect(started).toHaveReceived({ serial: 1 })

// @ts-expect-error no such action
expect(proxy).toHaveSent({ action: 'ATACH' })
// @ts-expect-error no such key
expect(proxy).toHaveReceived({ chanel: 'a' })
// @ts-expect-error no such action in the second
expect(proxy).toHaveSentInOrder([{ action: 'ATTACH' }, { action: 'ATACH' }])
// @ts-expect-error a list is needed
expect(proxy).toHaveSentInOrder({ action: 'ATTACH' })
// @ts-expect-error bytes are no object
expect(bytes).toHaveSent({ action: 'ATTACH' })
// @ts-expect-error not a proxy
expect('proxy').toHaveSent({ action: 'ATTACH' })
// @ts-expect-error a status belongs to a response
expect(proxy).toHaveRequested({ status: 200 })
// @ts-expect-error not a proxy
expect('proxy').toHaveRequested({ method: 'POST' })
// @ts-expect-error no such transport
expect(proxy).toHaveConnected({ transport: 'pigeon' })
// @ts-expect-error not a number
expect(proxy).toHaveConnected('twice')

// They answer at once, or to `expect.poll`.
expectTypeOf(expect(proxy).toHaveSent()).toEqualTypeOf<void>()
expectTypeOf(await expect.poll(() => proxy).toHaveSent({ action: 'ACK' })).toEqualTypeOf<void>()
