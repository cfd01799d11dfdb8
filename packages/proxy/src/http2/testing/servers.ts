import { once } from 'node:events'
import * as http2 from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { onTestFinished } from 'vitest'
import { realAuthority } from '../../capture/testing/servers.ts'
import type { ProxyEngine, ProxyOptions } from '../../engine.ts'
import type { Exchange } from '../../journal/traffic-event.ts'
import { startProxy } from '../../proxy.ts'

export type OnStream = (
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  rawHeaders: readonly string[],
  flags: number,
) => void

/** A server of HTTP/2 that stops with its test. */
export interface Http2TestServer {
  readonly port: number
  readonly sessions: http2.ServerHttp2Session[]
  readonly server: http2.Http2Server | http2.Http2SecureServer
}

/** Over TLS, as localhost; `allowHTTP1` as in node:http2. */
export function secureServer(onStream: OnStream, options: http2.SecureServerOptions = {}): Promise<Http2TestServer> {
  return listen(http2.createSecureServer({ ...realAuthority.leaf('localhost'), ...options }), onStream)
}

/** In clear text, with prior knowledge. */
export function plainServer(onStream: OnStream, options: http2.ServerOptions = {}): Promise<Http2TestServer> {
  return listen(http2.createServer(options), onStream)
}

async function listen(server: http2.Http2Server | http2.Http2SecureServer, onStream: OnStream): Promise<Http2TestServer> {
  const sessions: http2.ServerHttp2Session[] = []
  server.on('session', session => {
    sessions.push(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, flags: number, rawHeaders: string[]) => {
    stream.on('error', () => {})
    onStream(stream, headers, rawHeaders, flags)
  })
  ;(server as Server).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sessions, server }
}

/** A client of node:http2 that is gone with its test. */
export function client(url: string, options: http2.SecureClientSessionOptions = {}): http2.ClientHttp2Session {
  const session = http2.connect(url, { ca: realAuthority.certificate, ...options })
  session.on('error', () => {})
  onTestFinished(() => session.destroy())
  return session
}

export interface Answer {
  readonly status: number | undefined
  readonly headers: http2.IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly flags: number
  readonly informational: readonly (readonly string[])[]
  readonly body: string
  readonly trailers: readonly string[]
  readonly rstCode: number
  readonly error: Error | undefined
}

/** A proxy that takes in what this test does, and is gone with it. */
export async function proxied(options: ProxyOptions = {}): Promise<ProxyEngine> {
  const proxy = await startProxy({ adoptUnscoped: true, ...options })
  onTestFinished(() => proxy.close())
  return proxy
}

/** The requests that the journal knows of. */
export function exchanges({ journal }: ProxyEngine): readonly Exchange[] {
  return [...journal.read()].flatMap(event => (event.kind === 'request' ? [event.exchange] : []))
}

/** Sends a request and reads all that comes back. */
export async function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders | readonly string[],
  body?: string | Buffer,
): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return answerOf(stream)
}

export async function answerOf(stream: http2.ClientHttp2Stream): Promise<Answer> {
  let head: { headers: http2.IncomingHttpHeaders; flags: number; rawHeaders: string[] } | undefined
  let trailers: string[] = []
  const informational: string[][] = []
  const chunks: Buffer[] = []
  let error: Error | undefined
  stream.on('response', (received, flags, rawHeaders?: string[]) => (head = { headers: received, flags, rawHeaders: rawHeaders ?? [] }))
  stream.on('headers', (_headers, _flags, rawHeaders?: string[]) => informational.push(rawHeaders ?? []))
  stream.on('trailers', (_headers, _flags, rawHeaders?: string[]) => (trailers = rawHeaders ?? []))
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', (failure: Error) => (error = failure))
  await new Promise(resolve => stream.once('close', resolve))
  return {
    status: head && Number(head.headers[':status']),
    headers: head?.headers ?? {},
    rawHeaders: head?.rawHeaders ?? [],
    flags: head?.flags ?? 0,
    informational,
    body: Buffer.concat(chunks).toString(),
    trailers,
    rstCode: stream.rstCode,
    error,
  }
}
