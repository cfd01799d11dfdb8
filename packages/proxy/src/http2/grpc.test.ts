import * as grpc from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { realAuthority } from '../capture/testing/servers.ts'
import { own, rule } from '../http/testing/wire.ts'
import { startProxy } from '../proxy.ts'
import { exchanges, proxied } from './testing/servers.ts'

const text = { serialize: (value: string): Buffer => Buffer.from(value), deserialize: (bytes: Buffer): string => bytes.toString() }

function method(name: string, requestStream: boolean, responseStream: boolean): grpc.MethodDefinition<string, string> {
  return {
    path: `/midwire.Test/${name}`,
    requestStream,
    responseStream,
    requestSerialize: text.serialize,
    requestDeserialize: text.deserialize,
    responseSerialize: text.serialize,
    responseDeserialize: text.deserialize,
  }
}

const definition = {
  unary: method('Unary', false, false),
  list: method('List', false, true),
  collect: method('Collect', true, false),
  chat: method('Chat', true, true),
} satisfies grpc.ServiceDefinition

const Client = grpc.makeClientConstructor(definition, 'Test')

type Calls = grpc.Client & {
  unary(request: string, metadata: grpc.Metadata, done: grpc.requestCallback<string>): grpc.ClientUnaryCall
  list(request: string): grpc.ClientReadableStream<string>
  collect(done: grpc.requestCallback<string>): grpc.ClientWritableStream<string>
  chat(): grpc.ClientDuplexStream<string, string>
}

async function serve(secure: boolean): Promise<number> {
  const server = new grpc.Server()
  server.addService(definition, {
    unary: (call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) => {
      if (call.request === 'deny') {
        const metadata = new grpc.Metadata()
        metadata.set('x-why', 'because')
        return done({ code: grpc.status.PERMISSION_DENIED, details: 'no entry', metadata })
      }
      if (call.request === 'wait') return undefined
      const trailer = new grpc.Metadata()
      trailer.set('x-trailer', 'last')
      call.sendMetadata(call.metadata)
      return done(null, `hello ${call.request}`, trailer)
    },
    list: (call: grpc.ServerWritableStream<string, string>) => {
      for (let n = 0; n < 5; n++) call.write(`${call.request} ${n}`)
      call.end()
    },
    collect: (call: grpc.ServerReadableStream<string, string>, done: grpc.sendUnaryData<string>) => {
      const all: string[] = []
      call.on('data', (one: string) => all.push(one))
      call.on('end', () => done(null, all.join('+')))
    },
    chat: (call: grpc.ServerDuplexStream<string, string>) => {
      call.on('data', (one: string) => call.write(`re: ${one}`))
      call.on('end', () => call.end())
    },
  })
  const { key, cert } = realAuthority.leaf('localhost')
  const credentials = secure
    ? grpc.ServerCredentials.createSsl(null, [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }])
    : grpc.ServerCredentials.createInsecure()
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  )
  onTestFinished(() => server.forceShutdown())
  return port
}

function connect(target: string, secure: boolean): Calls {
  const credentials = secure ? grpc.credentials.createSsl(Buffer.from(realAuthority.certificate)) : grpc.credentials.createInsecure()
  // Channels are shared by target otherwise, across tests.
  const calls = new Client(target, credentials, { 'grpc.use_local_subchannel_pool': 1 }) as unknown as Calls
  onTestFinished(() => calls.close())
  return calls
}

interface Outcome {
  readonly value: string | undefined
  readonly error: grpc.ServiceError | null
  readonly status: grpc.StatusObject
  readonly metadata: grpc.Metadata | undefined
}

function unary(calls: Calls, request: string, metadata: grpc.Metadata = new grpc.Metadata()): Promise<Outcome> {
  return new Promise(resolve => {
    let answer: { error: grpc.ServiceError | null; value: string | undefined } | undefined
    let received: grpc.Metadata | undefined
    const call = calls.unary(request, metadata, (error, value) => (answer = { error, value }))
    call.on('metadata', (head: grpc.Metadata) => (received = head))
    call.on('status', status => setImmediate(() => resolve({ value: undefined, error: null, ...answer, status, metadata: received })))
  })
}

async function all(stream: AsyncIterable<string>): Promise<string[]> {
  const values: string[] = []
  for await (const value of stream) values.push(value)
  return values
}

describe.each([
  ['TLS', true],
  ['insecure', false],
])('grpc-js with %s credentials', (_name, secure) => {
  test('calls of all four kinds, with metadata and status in trailers', async () => {
    const port = await serve(secure)
    const proxy = await proxied()
    const calls = connect(`localhost:${port}`, secure)
    const metadata = new grpc.Metadata()
    metadata.set('x-id', '1')
    const answer = await unary(calls, 'you', metadata)
    expect(answer.value).toBe('hello you')
    expect(answer.metadata?.get('x-id')).toEqual(['1'])
    expect(answer.status.metadata.get('x-trailer')).toEqual(['last'])
    expect(await all(calls.list('item'))).toEqual(['item 0', 'item 1', 'item 2', 'item 3', 'item 4'])
    const collected = new Promise<string | undefined>((resolve, reject) => {
      const call = calls.collect((error, value) => (error ? reject(error) : resolve(value)))
      for (const part of ['a', 'b', 'c']) call.write(part)
      call.end()
    })
    expect(await collected).toBe('a+b+c')
    const chat = calls.chat()
    chat.write('one')
    expect(await new Promise(resolve => chat.once('data', resolve))).toBe('re: one')
    chat.write('two')
    chat.end()
    expect(await all(chat)).toEqual(['re: two'])
    const denied = await unary(calls, 'deny')
    expect(denied.error).toMatchObject({ code: grpc.status.PERMISSION_DENIED, details: 'no entry' })
    expect(denied.status.metadata.get('x-why')).toEqual(['because'])
    expect(exchanges(proxy)).toMatchObject(
      ['Unary', 'List', 'Collect', 'Chat', 'Unary'].map(name => ({ path: `/midwire.Test/${name}`, version: '2', failure: undefined })),
    )
  })

  test('a call that is given up is given up upstream, with its deadline and its cancellation', async () => {
    const port = await serve(secure)
    const proxy = await proxied()
    const calls = connect(`localhost:${port}`, secure)
    const call = calls.unary('wait', new grpc.Metadata(), () => {})
    const status = new Promise<grpc.StatusObject>(resolve => call.on('status', resolve))
    await expect.poll(() => exchanges(proxy).length).toBe(1)
    call.cancel()
    expect((await status).code).toBe(grpc.status.CANCELLED)
    await expect.poll(() => exchanges(proxy)[0]?.failure).toContain('the client ended')
    expect((await unary(calls, 'again')).value).toBe('hello again')
  })
})

describe('a rule ends a call', () => {
  const headers = ['content-type', 'application/grpc+proto']

  test('with a status in trailers', async () => {
    const port = await serve(false)
    const proxy = await proxied()
    const calls = connect(`localhost:${port}`, false)
    expect((await unary(calls, 'you')).value).toBe('hello you')
    const message = Buffer.concat([Buffer.from([0, 0, 0, 0, 4]), Buffer.from('mock')])
    rule(proxy, {
      kind: 'respondWith',
      response: { status: 200, headers, body: message, trailers: ['grpc-status', '0', 'x-mock', 'yes'] },
    })
    const mocked = await unary(calls, 'you')
    expect(mocked.value).toBe('mock')
    expect(mocked.status.metadata.get('x-mock')).toEqual(['yes'])
    rule(proxy, { kind: 'respondWith', response: { ...own(200, '', headers), trailers: ['grpc-status', '14', 'grpc-message', 'gone'] } })
    expect((await unary(calls, 'you')).error).toMatchObject({ code: grpc.status.UNAVAILABLE, details: 'gone' })
  })

  test('with a head alone', async () => {
    const port = await serve(false)
    const proxy = await proxied()
    const calls = connect(`localhost:${port}`, false)
    rule(proxy, { kind: 'respondWith', response: own(200, '', [...headers, 'grpc-status', '7', 'grpc-message', 'closed']) })
    expect((await unary(calls, 'you')).error).toMatchObject({ code: grpc.status.PERMISSION_DENIED, details: 'closed' })
  })

  test('in the middle of a stream, by a reset', async () => {
    const port = await serve(false)
    const proxy = await proxied()
    const calls = connect(`localhost:${port}`, false)
    await unary(calls, 'you')
    rule(proxy, { kind: 'fault', how: 'reset', at: { responseBytes: 24 }, to: 'both' })
    const values: string[] = []
    const call = calls.list('item')
    call.on('data', (value: string) => values.push(value))
    const error = await new Promise<grpc.ServiceError>(resolve => call.on('error', resolve))
    expect(error.code).toBe(grpc.status.INTERNAL)
    expect(values).toEqual(['item 0', 'item 1'])
  })
})

test('calls of two tests on one channel are told apart', async () => {
  const port = await serve(true)
  const proxy = await startProxy()
  onTestFinished(() => proxy.close())
  const calls = connect(`localhost:${port}`, true)
  const [one, two] = [proxy.openScope('one'), proxy.openScope('two')]
  await proxy.run(one, () => unary(calls, 'first'))
  await Promise.all([
    proxy.run(one, () => unary(calls, 'a')),
    proxy.run(two, () => unary(calls, 'b')),
    proxy.run(one, () => unary(calls, 'c')),
  ])
  const owners = [...proxy.journal.read()].flatMap(event => (event.kind === 'request' ? [event.scope.name] : []))
  expect(owners).toEqual(['one', 'one', 'two', 'one'])
})
