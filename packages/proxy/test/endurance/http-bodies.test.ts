import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { exchanges } from '../../src/http/testing/wire.ts'
import { startProxy } from '../../src/proxy.ts'
import { long } from '../long-run.ts'
import { MemoryWatch } from './memory.ts'

const mebibyte = 1024 * 1024
const size = long ? 10 * 1024 * mebibyte : 96 * mebibyte
const chunk = Buffer.alloc(65_536, 'x')

async function pour(to: Writable): Promise<void> {
  for (let sent = 0; sent < size; sent += chunk.length) if (!to.write(chunk)) await once(to, 'drain')
  to.end()
}

/** Reads all of it, looking at the memory on the way. */
async function drain(from: Readable, memory: MemoryWatch): Promise<number> {
  let [length, looked] = [0, 0]
  for await (const part of from) {
    length += (part as Buffer).length
    if (length - looked < 16 * mebibyte) continue
    looked = length
    memory.look()
  }
  return length
}

test.each(['upload', 'download'])(
  `one %s of ${size / mebibyte} MiB goes through bounded memory`,
  async way => {
    const memory = new MemoryWatch()
    const server = createServer((asked, answer) => {
      if (way === 'upload') void drain(asked, memory).then(length => answer.end(String(length)))
      else void pour(answer)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const proxy = await startProxy({ capture: false })
    onTestFinished(() => proxy.close())
    const asked = request(proxy.urlFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), { method: 'PUT', agent: false })
    if (way === 'upload') void pour(asked)
    else asked.end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    if (way === 'upload') expect(await text(response)).toBe(String(size))
    else expect(await drain(response, memory)).toBe(size)
    expect(memory.growth).toBeLessThan(48 * mebibyte)
    const [exchange] = exchanges(proxy)
    expect(way === 'upload' ? exchange?.requestBytes : exchange?.responseBytes).toBe(size)
    expect((way === 'upload' ? exchange : exchange?.response)?.lack).toContain('larger')
  },
  long ? 1_200_000 : 30_000,
)
