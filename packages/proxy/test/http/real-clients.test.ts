import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type RequestListener } from 'node:http'
import { request as requestSecurely } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Agent, request as undiciRequest } from 'undici'
import type { ProxyEngine } from '../../src/engine.ts'
import { exchanges, own, rule } from '../../src/http/testing/wire.ts'
import { startProxy } from '../../src/proxy.ts'

interface Answer {
  readonly status: number
  readonly body: string
}

type Client = (url: string, body?: string) => Promise<Answer>

async function read(response: IncomingMessage): Promise<Answer> {
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return { status: response.statusCode ?? 0, body }
}

const clients: Record<string, Client> = {
  fetch: async (url, body) => {
    const response = await fetch(url, body === undefined ? {} : { method: 'POST', body })
    return { status: response.status, body: await response.text() }
  },
  undici: async (url, body) => {
    const dispatcher = new Agent()
    onTestFinished(() => dispatcher.destroy())
    const { statusCode, body: content } = await undiciRequest(url, { dispatcher, ...(body === undefined ? {} : { method: 'POST', body }) })
    return { status: statusCode, body: await content.text() }
  },
  'node:http': async (url, body) => {
    const open = url.startsWith('https') ? requestSecurely : request
    const asked = open(url, { agent: false, method: body === undefined ? 'GET' : 'POST' })
    asked.end(body)
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    return read(response)
  },
}

/** A server for the host api.test, plain behind the route, and the engine that leads there. */
async function served(listener: RequestListener): Promise<ProxyEngine> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const proxy = await startProxy({ adoptUnscoped: true, route: { 'api.test': `http://127.0.0.1:${port}` } })
  onTestFinished(() => proxy.close())
  return proxy
}

const echo: RequestListener = (request, response) => {
  let body = ''
  request.on('data', chunk => (body += String(chunk)))
  request.on('end', () => response.end(`${request.method} ${request.url} ${String(request.headers['x-added'])} ${body}`))
}

describe.each(['http', 'https'])('over %s', scheme => {
  const start = async (listener: RequestListener = echo): Promise<{ url: string; proxy: ProxyEngine }> => ({
    url: `${scheme}://api.test`,
    proxy: await served(listener),
  })

  describe.each(Object.entries(clients))('%s', (_, send) => {
    test('is relayed', async () => {
      const { url, proxy } = await start()
      expect(await send(`${url}/a`, 'hi')).toEqual({ status: 200, body: 'POST /a undefined hi' })
      expect(exchanges(proxy)[0]).toMatchObject({
        method: 'POST',
        host: 'api.test',
        url: `${url}/a`,
        text: 'hi',
        response: { status: 200 },
      })
    })

    test('is answered by a rule, with no upstream at all', async () => {
      const proxy = await startProxy({ adoptUnscoped: true, upstream: 'none' })
      onTestFinished(() => proxy.close())
      rule(proxy, { kind: 'respondWith', response: own(503, 'busy') }, { when: ({ path }) => path === '/busy' })
      expect(await send(`${scheme}://nowhere.test/busy`)).toEqual({ status: 503, body: 'busy' })
      await expect(send(`${scheme}://nowhere.test/other`)).rejects.toThrow()
    })

    test('gets another answer than upstream’s', async () => {
      const stored: string[] = []
      const { url, proxy } = await start((request, response) => {
        stored.push(request.url ?? '')
        response.end('stored')
      })
      rule(proxy, { kind: 'forwardThen', response: own(503, 'lost') })
      expect(await send(`${url}/x`, 'hi')).toEqual({ status: 503, body: 'lost' })
      expect(stored).toEqual(['/x'])
    })

    test('is patched both ways', async () => {
      const { url, proxy } = await start()
      rule(
        proxy,
        {
          kind: 'patchRequest',
          fn: request => {
            request.headers['x-added'] = 'yes'
            request.text = request.text.toUpperCase()
          },
        },
        { times: 1 },
      )
      expect(await send(`${url}/a`, 'hi')).toEqual({ status: 200, body: 'POST /a yes HI' })
      rule(proxy, { kind: 'patchResponse', fn: response => (response.text = response.text.toLowerCase()) })
      expect(await send(`${url}/a`, 'hi')).toEqual({ status: 200, body: 'post /a undefined hi' })
    })

    test('sees a reset, an end before the answer and one in the middle of it as failures', async () => {
      const { url, proxy } = await start()
      for (const [how, at] of [
        ['reset', 'beforeRequest'],
        ['end', 'beforeResponse'],
        ['end', { responseBytes: 2 }],
      ] as const) {
        const run = rule(proxy, { kind: 'fault', how, at, to: 'both' }, { times: 1 })
        await expect(send(url, 'body')).rejects.toThrow()
        expect(run.acted).toBe(1)
      }
    })

    test('is handled by a function', async () => {
      const { url, proxy } = await start()
      rule(proxy, { kind: 'handle', fn: async request => own(201, `${request.url} ${await request.text()}`) })
      expect(await send(`${url}/h`, 'hi')).toEqual({ status: 201, body: `${url}/h hi` })
    })
  })
})
