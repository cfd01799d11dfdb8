import { createHash, randomBytes } from 'node:crypto'
import type { RequestListener, ServerResponse } from 'node:http'
import { constants, Http2ServerResponse } from 'node:http2'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { featuresOf, run, versionOf } from './program.ts'
import type { Outcome } from './program.ts'
import { serveBehindProxy } from './served-proxy.ts'
import type { ServedProxy } from './served-proxy.ts'

const version = versionOf('curl')
const large = randomBytes(1_200_000)

const listener: RequestListener = (request, response) => {
  switch (request.url ?? '') {
    case '/json':
      return void response.writeHead(200, { 'Content-Type': 'application/json', 'X-Twice': ['a', 'b'] }).end('{"a":1}')
    case '/large':
      return void response.writeHead(200, { 'Content-Length': large.length }).end(large)
    case '/gzip':
      return void response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('packed '.repeat(100)))
    case '/chunks':
      response.writeHead(200, { Trailer: 'X-Sum' })
      response.write('one ')
      response.addTrailers({ 'X-Sum': '42' })
      return void response.end('two')
    case '/moved':
      return void response.writeHead(302, { Location: '/json' }).end()
    case '/empty':
      return void response.writeHead(204).end()
    case '/short':
      response.writeHead(200, { 'Content-Length': 100 })
      return void response.write('too little', () => breakOff(response))
    case '/hints':
      response.writeEarlyHints({ link: '</style.css>; rel=preload' })
      return void response.end('hinted')
    default:
      void text(request).then(body =>
        response.end(`${request.method} ${request.url} ${body.length} ${createHash('sha1').update(body).digest('hex')}\n`),
      )
  }
}

/** Ends a response too early: its connection, or its stream with a code. */
function breakOff(response: ServerResponse | Http2ServerResponse): void {
  if (response instanceof Http2ServerResponse) response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  else response.destroy()
}

const speaksHttp2 = featuresOf('curl').includes('HTTP2')

let served: ServedProxy
let served2: ServedProxy
beforeAll(async () => {
  served = await serveBehindProxy(listener)
  served2 = await serveBehindProxy(listener, { http2: true })
})
afterAll(async () => {
  await served[Symbol.asyncDispose]()
  await served2[Symbol.asyncDispose]()
})

/** Runs curl directly and through the proxy; both must come to the same. */
async function sameThroughProxy(args: readonly string[], requests: number, input?: Uint8Array): Promise<Outcome> {
  return compare(served, '--http1.1', args, requests, input)
}

/** The same, with HTTP/2. */
async function sameThroughHttp2(args: readonly string[], requests: number, input?: Uint8Array): Promise<Outcome> {
  return compare(served2, '--http2', args, requests, input)
}

async function compare(
  served: ServedProxy,
  version: string,
  args: readonly string[],
  requests: number,
  input: Uint8Array | undefined,
): Promise<Outcome> {
  const base = ['--silent', '--show-error', version, '--cacert', served.ca]
  const given = args.map(arg => (arg.startsWith('/') ? `${served.origin}${arg}` : arg))
  const options = input ? { input } : {}
  const direct = await run('curl', [...base, ...given], options)
  expect(served.takeExchanges()).toHaveLength(0)
  const proxied = await run('curl', [...base, '--proxy', served.engine.url, '--suppress-connect-headers', ...given], options)
  expect(served.takeExchanges()).toHaveLength(requests)
  expect(proxied).toEqual(direct)
  return direct
}

describe.skipIf(version === undefined)(`curl (${version ?? 'is not here'})`, () => {
  test('gets heads and bodies as they are', async () => {
    const { code, output } = await sameThroughProxy(['--include', '/json'], 1)
    expect(code).toBe(0)
    expect(String(output)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*X-Twice: a\r\nX-Twice: b\r\n[^]*\{"a":1\}$/)
    expect((await sameThroughProxy(['/large'], 1)).output.equals(large)).toBe(true)
    await sameThroughProxy(['--head', '/json'], 1)
    await sameThroughProxy(['--include', '/empty'], 1)
  })

  test('gets packed bodies packed, and chunks with their trailers', async () => {
    expect((await sameThroughProxy(['--include', '/gzip'], 1)).output.subarray(-8).toString()).not.toContain('packed')
    expect(String((await sameThroughProxy(['--compressed', '/gzip'], 1)).output)).toBe('packed '.repeat(100))
    expect(String((await sameThroughProxy(['--include', '--raw', '/chunks'], 1)).output)).toContain('X-Sum: 42')
  })

  test('follows a redirect, or does not, by itself', async () => {
    expect(String((await sameThroughProxy(['--include', '/moved'], 1)).output)).toMatch(/^HTTP\/1\.1 302 Found\r\nLocation: \/json\r\n/)
    expect(String((await sameThroughProxy(['--location', '/moved'], 2)).output)).toBe('{"a":1}')
  })

  test('sends bodies, with and without waiting for 100 Continue', async () => {
    expect(String((await sameThroughProxy(['--data', 'a=1', '/form'], 1)).output)).toMatch(/^POST \/form 3 /)
    const wait = ['--header', 'Expect: 100-continue', '--include', '--data-binary', '@-']
    expect(String((await sameThroughProxy([...wait, '/upload'], 1, large)).output)).toMatch(
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/,
    )
    await sameThroughProxy(['--header', 'Transfer-Encoding: chunked', '--upload-file', '-', '/chunked'], 1, large)
  })

  test('gets informational responses', async () => {
    expect(String((await sameThroughProxy(['--include', '/hints'], 1)).output)).toMatch(/^HTTP\/1\.1 103 Early Hints\r\n/)
  })

  test('asks several times on one connection', async () => {
    expect(String((await sameThroughProxy(['/json', '/chunks', '/json'], 3)).output)).toBe('{"a":1}one two{"a":1}')
  })

  test('is told of a body that ends too early', async () => {
    expect((await sameThroughProxy(['/short'], 1)).code).toBe(18)
  })
})

describe.skipIf(!speaksHttp2)(`curl --http2 (${speaksHttp2 ? version : 'which it cannot'})`, () => {
  test('gets heads and bodies as they are', async () => {
    const { code, output } = await sameThroughHttp2(['--include', '/json'], 1)
    expect(code).toBe(0)
    expect(String(output)).toMatch(/^HTTP\/2 200 \r\n[^]*x-twice: a\r\nx-twice: b\r\n[^]*\{"a":1\}$/)
    expect((await sameThroughHttp2(['/large'], 1)).output.equals(large)).toBe(true)
    await sameThroughHttp2(['--head', '/json'], 1)
    await sameThroughHttp2(['--include', '/empty'], 1)
  })

  test('gets trailers and informational responses, and sends bodies', async () => {
    expect(String((await sameThroughHttp2(['--include', '/chunks'], 1)).output)).toContain('x-sum: 42')
    expect(String((await sameThroughHttp2(['--include', '/hints'], 1)).output)).toMatch(/^HTTP\/2 103 \r\n/)
    await sameThroughHttp2(['--upload-file', '-', '/upload'], 1, large)
  })

  test('asks several times on one connection, side by side', async () => {
    expect(String((await sameThroughHttp2(['/json', '/chunks', '/json'], 3)).output)).toBe('{"a":1}one two{"a":1}')
    const { output } = await sameThroughHttp2(['--parallel', '--no-progress-meter', '/json', '/json', '/json'], 3)
    expect(String(output)).toBe('{"a":1}'.repeat(3))
  })

  test('is told of a body that ends too early', async () => {
    expect((await sameThroughHttp2(['/short'], 1)).errors).toContain('ENHANCE_YOUR_CALM')
  })
})
