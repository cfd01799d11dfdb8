import { createHash, randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run, versionOf } from './program.ts'
import type { Outcome } from './program.ts'
import { serveBehindProxy } from './served-proxy.ts'
import type { ServedProxy } from './served-proxy.ts'

const version = versionOf('curl')
const large = randomBytes(3_000_000)

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
      return void response.write('too little', () => response.destroy())
    case '/hints':
      return response.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => response.end('hinted'))
    default:
      void text(request).then(body =>
        response.end(`${request.method} ${request.url} ${body.length} ${createHash('sha1').update(body).digest('hex')}\n`),
      )
  }
}

let served: ServedProxy
beforeAll(async () => {
  served = await serveBehindProxy(listener)
})
afterAll(async () => served[Symbol.asyncDispose]())

/** Runs curl directly and through the proxy; both must come to the same. */
async function sameThroughProxy(args: readonly string[], requests: number, input?: Uint8Array): Promise<Outcome> {
  const base = ['--silent', '--show-error', '--http1.1', '--cacert', served.ca]
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
