import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Agent, fetch, request, RetryAgent } from 'undici'
import type { Dispatcher } from 'undici'
import { text } from './codec/text.ts'
import { host, startTestBed } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

// What a client of HTTP does about a network that fails, seen on undici: its timeouts, and how it tries again.

const origin = `https://${host}`
let bed: TestBed<string>
const agents: Dispatcher[] = []

beforeAll(async () => {
  bed = await startTestBed({ codec: text() })
})
afterAll(() => bed[Symbol.asyncDispose]())
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.destroy()
})

function agent(options: Agent.Options = {}): Agent {
  const made = new Agent({ connect: { timeout: 60_000 }, ...options })
  agents.push(made)
  return made
}

/** Tries again at once. */
function retrying(options: ConstructorParameters<typeof RetryAgent>[1] = {}): RetryAgent {
  const made = new RetryAgent(agent(), { minTimeout: 1, maxTimeout: 1, ...options })
  agents.push(made)
  return made
}

test('a connect that gets no answer ends with its connect timeout', async () => {
  await bed.run('connect timeout', async () => {
    const silence = bed.proxy.onConnect({ host }).timeout()
    const asked = request(origin, { dispatcher: agent({ connect: { timeout: 50 } }) })
    await expect(asked).rejects.toMatchObject({ name: 'ConnectTimeoutError', code: 'UND_ERR_CONNECT_TIMEOUT' })
    expect(silence.hits).toBe(1)
  })
})

test('so does a TLS handshake that hangs', async () => {
  await bed.run('hanging handshake', async () => {
    bed.proxy.onConnect({ host }).hang()
    const asked = request(origin, { dispatcher: agent({ connect: { timeout: 50 } }) })
    await expect(asked).rejects.toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' })
  })
})

test('a response that does not come ends with its headers timeout, and one that stops with its body timeout', async () => {
  await bed.run('timeouts', async () => {
    bed.proxy.onRequest({ path: '/silent' }).timeout()
    bed.proxy.onRequest({ path: '/stops' }).timeout({ at: { responseBytes: 3 } })
    const dispatcher = agent({ headersTimeout: 50, bodyTimeout: 50 })
    const silent = request(`${origin}/silent`, { dispatcher })
    const stops = request(`${origin}/stops`, { dispatcher }).then(({ body }) => body.text())
    const codes = (await Promise.allSettled([silent, stops])).map(
      one => one.status === 'rejected' && Reflect.get(one.reason as object, 'code'),
    )
    expect(codes).toEqual(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])
  })
})

test('RetryAgent tries again after 503, RST and a refused connect, and succeeds', async () => {
  await bed.run('retries', async () => {
    const busy = bed.proxy.onRequest({ path: '/v1' }).once().respondWith(503)
    // Newest first: refused, then reset, then busy.
    const broken = bed.proxy.onRequest({ path: '/v1' }).once().reset()
    const refused = bed.proxy.onConnect({ host }).once().refuse()
    const { statusCode, body } = await request(`${origin}/v1`, { dispatcher: retrying() })
    expect([statusCode, await body.text()]).toEqual([200, '/v1'])
    expect([refused.hits, broken.hits, busy.hits]).toEqual([1, 1, 1])
    expect(bed.proxy.requests.map(({ response }) => response?.status)).toEqual([undefined, 503, 200])
  })
})

test('RetryAgent gives up after as many tries as it may make', async () => {
  await bed.run('gives up', async () => {
    bed.proxy.onConnect({ host }).unreachable()
    const asked = request(origin, { dispatcher: retrying({ maxRetries: 2, errorCodes: ['EHOSTUNREACH'] }) })
    await expect(asked).rejects.toMatchObject({ code: 'EHOSTUNREACH' })
    expect(bed.proxy.hosts).toEqual([host, host, host])
  })
})

test('a certificate that has expired is no reason to try again', async () => {
  await bed.run('expired', async () => {
    bed.proxy.onConnect({ host }).presentCertificate('expired')
    const asked = fetch(origin, { dispatcher: retrying() })
    await expect(asked).rejects.toMatchObject({ cause: { code: 'CERT_HAS_EXPIRED' } })
    expect(bed.proxy.hosts).toEqual([host])
  })
})
