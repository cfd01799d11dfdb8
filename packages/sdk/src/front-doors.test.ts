import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { startInterceptionProxy } from './start.ts'

async function greetingServer(): Promise<number> {
  const server = createServer(socket => socket.once('data', () => socket.end('bye')))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

test('the transcript shows a tunnel with the bytes that went either way', async () => {
  const port = await greetingServer()
  await using proxy = await startInterceptionProxy({ bypass: [`127.0.0.1:${port}`] })
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write('GET / HTTP/1.1\r\n\r\n')
  expect(String(await buffer(socket))).toBe('bye')
  expect(proxy.transcript()).toMatch(new RegExp(`tunnel +127\\.0\\.0\\.1:${port} +18 B from the client, 3 B from the server, `))
  expect(proxy.requests).toEqual([])
})

test('the ports of one test speak HTTP and SOCKS alike', async () => {
  await using proxy = await startInterceptionProxy({ intercept: 'none' })
  expect(proxy.socksUrl).toBe(proxy.url.replace('http:', 'socks5h:'))
})

test('a listener for other machines hands out credentials', async () => {
  await using proxy = await startInterceptionProxy({ listen: { host: '0.0.0.0' } })
  expect(proxy.url).toMatch(/^http:\/\/[\w-]{24}:x@127\.0\.0\.1:\d+$/)
})
