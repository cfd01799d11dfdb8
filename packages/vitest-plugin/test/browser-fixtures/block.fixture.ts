import { useInterceptionProxy } from '@midwire/vitest-plugin'
import { beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { SafeClient } from './client.ts'

test('outside of the blocks nobody is in between', async () => {
  expect(await (await fetch(`${inject('server')}/items`)).json()).toEqual({ items: ['one'] })
  expect(new URL(import.meta.url).protocol).toBe('http:')
})

describe('a block with a codec of the page’s own', () => {
  const proxy = useInterceptionProxy<readonly string[]>({
    codec: {
      name: 'words',
      stateless: true,
      decode: bytes => ({ messages: [{ value: new TextDecoder().decode(bytes).split(/\W+/), bytes }], rest: new Uint8Array(0) }),
      encode: words => words.join(' '),
    },
    route: { 'chat.example.com': inject('server') },
  })

  beforeAll(() => {
    // Lives as long as the block, and may never act.
    proxy.onServerMessage(words => words.includes('NEWS')).drop()
  })

  test('decodes here what is decided here', async () => {
    proxy.onClientMessage(words => words.includes('8')).drop()
    const client = new SafeClient()
    client.send(8)
    client.send(9)
    const sent = await proxy.waitForClientMessage(words => words.includes('9'))
    expect(sent.value).toEqual(['', 'action', 'MESSAGE', 'id', '9', ''])
    await proxy.expectNoServerMessage(words => words.includes('8'), { until: proxy.waitForServerMessage(words => words.includes('9')) })
    client.close()
  })

  test('what the page asks while the wire waits for it has its turn after that', async () => {
    const client = new SafeClient()
    await client.heard(1)
    await proxy.waitForServerMessage(words => words.includes('CONNECTED'))
    client.send(7)
    // The message has come, and is to be decoded.
    for (const until = performance.now() + 200; performance.now() < until;);
    await proxy.waitForClientMessage(words => words.includes('7'))
    client.close()
  })

  test('a connection tells all that it is asked, and does what it is told', async () => {
    const client = new WebSocket('wss://chat.example.com/room?v=6')
    const connection = await proxy.waitForConnection({ path: '/room' })
    expect(connection).toMatchObject({ query: { v: '6' }, state: 'open', host: 'chat.example.com', port: 443 })
    expect(connection.headers['host']).toBe('chat.example.com')
    const closed = new Promise<CloseEvent>(resolve => client.addEventListener('close', resolve))
    connection.close(4001, 'enough')
    expect(await closed).toMatchObject({ code: 4001, reason: 'enough' })
    expect(proxy.connections).toEqual([connection])
  })

  test('fake timers stop the page, and not the wire', async () => {
    vi.useFakeTimers()
    const client = new SafeClient()
    proxy.onServerMessage().delay(20)
    await client.heard(1)
    client.close()
    vi.useRealTimers()
  })
})

describe('another block', () => {
  const proxy = useInterceptionProxy({ upstream: 'none' })

  test('is a server of its own', async () => {
    proxy.onConnect({ host: 'nowhere.example.com' }).accept(new Uint8Array([104, 105]))
    const client = new WebSocket('wss://nowhere.example.com/')
    client.binaryType = 'arraybuffer'
    const data = await new Promise(resolve => client.addEventListener('message', event => resolve(event.data)))
    expect(new Uint8Array(data as ArrayBuffer)).toEqual(new Uint8Array([104, 105]))
    client.close()
    expect(useInterceptionProxy).toThrow('belongs at the top of a file')
  })
})
