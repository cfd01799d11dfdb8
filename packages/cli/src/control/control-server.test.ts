import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startControlServer } from './control-server.ts'
import type { ControlServer } from './control-server.ts'
import { Chat, startEchoServer } from './testing/chat.ts'
import type { EchoServer } from './testing/chat.ts'
import { ControlClient } from './testing/control-client.ts'

let server: ControlServer
let echo: EchoServer
let suite: ControlClient

beforeEach(async () => {
  server = await startControlServer({ token: 'secret' })
  echo = await startEchoServer()
  suite = await ControlClient.open(server.url, 'secret')
  return async () => {
    await suite[Symbol.asyncDispose]()
    await server.close()
    await echo[Symbol.asyncDispose]()
  }
})

/** Starts a session without questions, and a client in it. */
async function start(options: object = {}): Promise<Chat> {
  await suite.call('startInterception', { mode: 'proxy', transform: false, ...options })
  const { url } = await suite.call('urlFor', { url: echo.url })
  return await Chat.open(String(url))
}

async function refusal(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const socket = new WebSocket(url, { headers })
  socket.on('error', () => {})
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  response.destroy()
  return response
}

describe('who may control it', () => {
  test('whoever has the token, as a header or in the URL', async () => {
    const other = new WebSocket(`${server.url}?token=secret`)
    await once(other, 'open')
    other.terminate()
  })

  test('nobody with another token, or with none', async () => {
    expect(await refusal(server.url)).toMatchObject({ statusCode: 401, headers: { 'www-authenticate': 'Bearer realm="Midwire"' } })
    expect(await refusal(`${server.url}?token=Secret`)).toMatchObject({ statusCode: 401 })
    expect(await refusal(server.url, { authorization: 'Bearer secret2' })).toMatchObject({ statusCode: 401 })
    expect(await refusal(`${server.url}?token=secret`, { authorization: 'Bearer no' })).toMatchObject({ statusCode: 401 })
  })

  test('no page of a browser, though it has the token', async () => {
    expect(await refusal(`${server.url}?token=secret`, { origin: 'https://evil.example' })).toMatchObject({ statusCode: 403 })
    expect(await refusal(`${server.url}?token=secret`, { origin: 'null' })).toMatchObject({ statusCode: 403 })
  })

  test('what is no WebSocket is told what it has found', async () => {
    const [response] = (await once(get(server.url.replace('ws:', 'http:')), 'response')) as [IncomingMessage]
    response.resume()
    expect(response.statusCode).toBe(426)
  })
})

describe('JSON-RPC 2.0', () => {
  test('malformed JSON is a parse error (§5.1)', async () => {
    expect(await suite.sendText('{"jsonrpc": "2.0", "method"')).toMatchObject({ id: null, error: { code: -32700 } })
  })

  test('what is no request object is an invalid request (§5.1)', async () => {
    expect(await suite.sendText('1')).toMatchObject({ id: null, error: { code: -32600 } })
    expect(await suite.sendText('{"id": "a", "method": "mark"}')).toMatchObject({ id: 'a', error: { code: -32600, message: /jsonrpc/ } })
    expect(await suite.sendText('{"jsonrpc": "2.0", "id": {}, "method": "mark"}')).toMatchObject({ id: null, error: { code: -32600 } })
    expect(await suite.sendText('{"jsonrpc": "2.0", "id": "b", "method": 1}')).toMatchObject({ id: 'b', error: { code: -32600 } })
    expect(await suite.sendText('{"jsonrpc": "2.0", "id": "c"}')).toMatchObject({ id: 'c', error: { code: -32600 } })
  })

  test('a batch is answered in one, notifications in it not at all (§6)', async () => {
    const batch = [
      { jsonrpc: '2.0', id: 'a', method: 'startInterception', params: { mode: 'proxy' } },
      { jsonrpc: '2.0', method: 'mitmproxyReady' },
      { jsonrpc: '2.0', id: 'b', method: 'nothing' },
      7,
    ]
    expect(await suite.sendText(JSON.stringify(batch))).toMatchObject([
      { id: 'a', result: { session: 'session 1' } },
      { id: 'b', error: { code: -32601 } },
      { id: null, error: { code: -32600 } },
    ])
    expect(await suite.sendText('[]')).toMatchObject({ id: null, error: { code: -32600 } })
  })

  test('a notification is never answered, whatever becomes of it (§4.1)', async () => {
    suite.send({ jsonrpc: '2.0', method: 'nothing' })
    suite.send([{ jsonrpc: '2.0', method: 'closeConnection' }])
    suite.send({ jsonrpc: '2.0', id: 'unknown', result: {} })
    expect(await suite.sendText('{"jsonrpc": "2.0", "id": "last", "method": "nothing"}')).toMatchObject({ id: 'last' })
  })

  test('a method that there is not names the one that was meant', async () => {
    await expect(suite.call('startIntercepton')).rejects.toMatchObject({ code: -32601, message: /did you mean "startInterception"/ })
    await expect(suite.call('__proto__')).rejects.toMatchObject({ code: -32601, message: /known are startInterception/ })
  })

  test.each([
    ['startInterception', {}, '"mode" is missing; expected "proxy" or "local"'],
    ['startInterception', { mode: 'transparent' }, '"mode": expected "proxy" or "local", got "transparent"'],
    ['startInterception', { mode: 'local' }, '"pid" is missing; expected an integer'],
    ['startInterception', { mode: 'proxy', decisionTimout: 1 }, 'unknown parameter "decisionTimout"; did you mean "decisionTimeout"?'],
    ['startInterception', ['proxy'], 'expected an object'],
    ['injectMessage', { connectionID: '9', type: 'text', data: '', to: 'client' }, 'there is no connection "9"; there was none so far'],
    ['addRule', { start: 'onMesage', verb: 'drop' }, 'there is no "onMesage"; did you mean "onMessage"?'],
    ['addRule', { start: 'onMessage', verb: 'dorp' }, 'there is no "dorp"; did you mean "drop"?'],
    ['addRule', { start: 'onMessage', verb: 'delay', args: ['long'] }, 'expected a number of ms'],
    ['addRule', { start: 'onMessage', verb: 'drop', modifiers: { nht: 1 } }, 'did you mean "nth"?'],
    ['addRule', { start: 'onMessage', verb: 'drop', match: { $regex: '(' } }, '$regex: Invalid regular expression'],
    ['addRule', { start: 'onMessage', verb: 'drop', then: [{ verb: 'thenStop' }] }, 'there is no "thenStop"'],
    ['addRule', { start: 'onConnect', verb: 'refuse', match: { path: '/' } }, 'only host and port are known'],
    ['removeRule', { ruleID: 'rule 7' }, 'there is no rule "rule 7"'],
    ['waitFor', { what: 'message' }, '"what": expected "clientMessage" or "serverMessage"'],
    ['network', { conditions: { latncy: 1 } }, 'unknown key "latncy"'],
    ['urlFor', { url: 'nonsense' }, 'urlFor'],
  ] as const)('%s %j is refused with what was expected', async (method, params, text) => {
    if (method !== 'startInterception') await suite.call('startInterception', { mode: 'proxy' })
    await expect(suite.call(method, params)).rejects.toMatchObject({ code: -32602, message: expect.stringContaining(text) })
    if (method === 'startInterception') return
    // What came to nothing leaves nothing behind.
    expect(await suite.call('stopInterception')).toEqual({ failures: [] })
  })
})

describe('a session', () => {
  test('begins once on a connection, hands out its ways in, and can be had again after its end', async () => {
    const { proxyUrl, env, certificate } = await suite.call('startInterception', { mode: 'proxy' })
    expect(proxyUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(env).toMatchObject({ HTTPS_PROXY: proxyUrl, https_proxy: proxyUrl })
    expect(certificate).toBe(server.certificate)
    await suite.notified('mitmproxyReady')
    await expect(suite.call('startInterception', { mode: 'proxy' })).rejects.toMatchObject({ code: -32000, message: /session 1 is active/ })
    await suite.call('stopInterception')
    await expect(suite.call('journal')).rejects.toMatchObject({ code: -32000, message: /startInterception begins one/ })
    expect(await suite.call('startInterception', { mode: 'proxy' })).toMatchObject({ session: 'session 2' })
  })

  test('has its own traffic, beside others', async () => {
    const chat = await start()
    await using other = await ControlClient.open(server.url, 'secret')
    await other.call('startInterception', { mode: 'proxy', transform: false })
    await other.call('addRule', { start: 'onMessage', verb: 'drop', modifiers: { optional: true } })
    const otherChat = await Chat.open(String((await other.call('urlFor', { url: echo.url }))['url']))
    otherChat.say('lost')
    chat.say('kept')
    expect(await chat.gets(1)).toEqual(['kept'])
    await other.call('waitFor', { what: 'clientMessage', match: 'lost' })
    expect(otherChat.got).toEqual([])
    const [mine, theirs] = [await suite.notified('connectionOpened'), await other.notified('connectionOpened')]
    expect(mine['connectionID']).not.toBe(theirs['connectionID'])
    expect(await suite.call('connections')).toMatchObject({ connections: [{ connectionID: mine['connectionID'] }] })
    await expect(suite.call('terminate', { connectionID: theirs['connectionID'] })).rejects.toMatchObject({ code: -32602 })
  })

  test('closes its connections when it is stopped, and says what must fail a test', async () => {
    const chat = await start()
    await suite.call('addRule', { start: 'onServerMessage', match: { id: 7 }, verb: 'drop', modifiers: { named: 'lose the seventh' } })
    const { failures } = await suite.call('stopInterception')
    expect(failures).toEqual([
      expect.stringMatching(/^"lose the seventh": the rule onServerMessage\(\{ id: 7 \}\)\.drop\(\) never matched/),
    ])
    expect(await chat.closed).toEqual({ code: 1001, reason: '' })
    expect(await suite.notified('connectionClosed')).toMatchObject({ code: 1001 })
  })

  test('that is stopped answers the calls that are under way', async () => {
    await start()
    const { connectionID } = await suite.notified('connectionOpened')
    const { ruleID } = await suite.call('addRule', { start: 'onPing', verb: 'drop', modifiers: { optional: true } })
    await suite.call('freeze', { connectionID })
    const waiting = [
      suite.call('waitFor', { what: 'clientMessage', timeout: 60_000 }),
      suite.call('waitForHit', { ruleID, timeout: 60_000 }),
      suite.call('expectNo', { what: 'request', for: 60_000 }),
      suite.call('flushed', { connectionID }),
    ].map(call => expect(call).rejects.toThrow('session 1 has been stopped meanwhile'))
    await suite.call('mark')
    await suite.call('stopInterception')
    await Promise.all(waiting)
  })

  test('tells of connections, and of how they end', async () => {
    const chat = await start()
    const { connectionID } = await suite.notified('connectionOpened')
    chat.say('close me')
    expect(await suite.notified('connectionClosed')).toEqual({ connectionID, from: 'server', code: 4001, reason: 'as asked' })
    const second = await Chat.open(String((await suite.call('urlFor', { url: echo.url }))['url']))
    await suite.call('terminate', { connectionID: (await suite.notified('connectionOpened', 2))['connectionID'] })
    expect(await suite.notified('connectionClosed', 2)).toMatchObject({ code: 1006 })
    expect(await second.closed).toMatchObject({ code: 1006 })
  })
})

describe('a question', () => {
  async function startAsking(options: object = {}): Promise<Chat> {
    return await start({ transform: true, ...options })
  }

  test('is asked of each message, with its type and direction, one at a time for each direction', async () => {
    const chat = await startAsking()
    chat.say('one', Buffer.from([0, 255]))
    const first = await suite.nextAsked(1)
    const { connectionID } = await suite.notified('connectionOpened')
    expect(first.params).toEqual({ id: expect.any(String), connectionID, type: 'text', data: 'one', fromClient: true })
    await suite.call('mark')
    expect(suite.asked).toHaveLength(1)
    first.answer({ action: 'drop' })
    const second = await suite.nextAsked(2)
    expect(second.params).toMatchObject({ type: 'binary', data: 'AP8=', fromClient: true })
    second.answer({ action: 'pass' })
    const third = await suite.nextAsked(3)
    expect(third.params).toMatchObject({ type: 'binary', data: 'AP8=', fromClient: false })
    third.answer({ action: 'replace', type: 'text', data: 'another type' })
    expect(await chat.gets(1)).toEqual(['another type'])
    expect(echo.got).toEqual([Buffer.from([0, 255])])
  })

  test('keeps the order of what is behind it, until it is answered', async () => {
    const chat = await startAsking()
    chat.say('a', 'b', 'c')
    const first = await suite.nextAsked(1)
    suite.onAsked = asked => asked.answer({ action: 'replace', type: 'text', data: `${String(asked.params['data'])}!` })
    first.answer({ action: 'pass' })
    expect(await chat.gets(3)).toEqual(['a!', 'b!!', 'c!!'])
    expect(echo.got).toEqual(['a', 'b!', 'c!'])
  })

  test('that is answered by an error, or by nonsense, lets the message pass, and says so', async () => {
    const chat = await startAsking()
    const answers = [
      (asked: { refuse(text: string): void }) => asked.refuse('no idea'),
      (asked: { answer(result: unknown): void }) => asked.answer({ action: 'delete' }),
      (asked: { answer(result: unknown): void }) => asked.answer(null),
      (asked: { answer(result: unknown): void }) => asked.answer({ action: 'replace', type: 'binary', data: '?' }),
    ]
    suite.onAsked = asked => {
      if (asked.params['fromClient'] === true) answers.shift()?.(asked)
      else asked.answer({ action: 'pass' })
    }
    chat.say('1', '2', '3', '4')
    expect(await chat.gets(4)).toEqual(['1', '2', '3', '4'])
    const { events } = await suite.call('journal')
    const notes = (events as { kind: string; text: string }[]).filter(({ kind }) => kind === 'note').map(({ text }) => text)
    expect(notes).toEqual([
      expect.stringContaining('the answer was an error: no idea'),
      expect.stringContaining('expected "pass", "drop" or "replace", got "delete"'),
      expect.stringContaining('expected "pass", "drop" or "replace", got undefined'),
      expect.stringContaining('expected Base64'),
    ])
    expect((await suite.call('stopInterception'))['failures']).toEqual(notes)
  })

  test('that nobody answers lets the message pass in time', async () => {
    const chat = await startAsking({ decisionTimeout: 20 })
    chat.say('hello')
    expect(await chat.gets(1)).toEqual(['hello'])
    const { failures } = await suite.call('stopInterception')
    expect(failures).toEqual([
      expect.stringMatching(/^message \d+-client-1 passed undecided: no answer came within 20 ms$/),
      expect.stringMatching(/^message \d+-server-1 passed undecided: no answer came within 20 ms$/),
    ])
  })

  test('in the middle of which the session is stopped lets the message pass', async () => {
    const chat = await startAsking()
    chat.say('hello')
    await suite.nextAsked(1)
    const { failures } = await suite.call('stopInterception')
    expect(failures).toEqual([expect.stringContaining('the session ended')])
    await chat.closed
    expect(echo.got).toEqual(['hello'])
  })

  test('in the middle of which the control connection is lost lets everything pass, from then on', async () => {
    const chat = await startAsking()
    await suite.call('addRule', { start: 'onServerMessage', match: { $regex: '^held' }, verb: 'hold' })
    suite.onAsked = asked => asked.answer({ action: 'pass' })
    chat.say('held')
    await suite.notified('held')
    suite.onAsked = undefined
    chat.say('asked')
    await suite.nextAsked(2)
    suite.socket.terminate()
    expect(await chat.gets(2)).toEqual(['held', 'asked'])
    chat.say('later')
    expect(await chat.gets(3)).toEqual(['held', 'asked', 'later'])
    chat.socket.close(1000)
    expect(await chat.closed).toMatchObject({ code: 1000 })
  })
})

describe('what a suite does to connections', () => {
  test('messages are injected on either side, as text or binary, and meet no rule', async () => {
    const chat = await start()
    const { connectionID } = await suite.notified('connectionOpened')
    await suite.call('injectMessage', { connectionID, fromClient: false, type: 'text', data: 'hi' })
    expect(await suite.call('injectMessage', { connectionID, to: 'client', type: 'binary', data: 'AAE=' })).toEqual({
      id: expect.any(String),
    })
    await suite.call('sendMessage', { connectionID, to: 'client', value: { a: 1 } })
    await suite.call('injectMessage', { connectionID, fromClient: true, type: 'text', data: 'from nobody' })
    expect(await chat.gets(4)).toEqual(['hi', Buffer.from([0, 1]), '{"a":1}', 'from nobody'])
    await expect(suite.call('injectMessage', { connectionID, type: 'text', data: '' })).rejects.toMatchObject({ code: -32602 })
    await expect(suite.call('injectMessage', { connectionID, to: 'client', type: 'binary', data: 'A' })).rejects.toMatchObject({
      code: -32602,
      message: /Base64/,
    })
  })

  test('a close frame is held until it is released', async () => {
    const chat = await start()
    const { ruleID } = await suite.call('holdClose', { from: 'server' })
    chat.say('close me')
    expect(await suite.notified('held')).toMatchObject({ ruleID, close: { from: 'server', code: 4001 } })
    const { connectionID } = await suite.notified('connectionOpened')
    await suite.call('injectMessage', { connectionID, to: 'client', type: 'text', data: 'before it', at: 'now' })
    expect(await chat.gets(1)).toEqual(['before it'])
    expect(await suite.call('ruleState', { ruleID })).toEqual({ hits: 1, held: 1 })
    expect(await suite.call('release', { ruleID })).toEqual({ held: 0 })
    expect(await chat.closed).toEqual({ code: 4001, reason: 'as asked' })
  })

  test('close, reset, freeze and thaw act on the connection that is named', async () => {
    const chat = await start()
    const { connectionID } = await suite.notified('connectionOpened')
    await suite.call('freeze', { connectionID, from: 'server' })
    chat.say('frozen')
    await suite.call('waitFor', { what: 'clientMessage' })
    expect(chat.got).toEqual([])
    await suite.call('thaw', { connectionID })
    expect(await chat.gets(1)).toEqual(['frozen'])
    await suite.call('flushed', { connectionID, to: 'client' })
    await suite.call('closeConnection', { connectionID, code: 4000, reason: 'enough' })
    expect(await chat.closed).toEqual({ code: 4000, reason: 'enough' })
    await suite.notified('connectionClosed')
    await expect(suite.call('freeze', { connectionID })).rejects.toMatchObject({ code: -32000, data: { code: 'MIDWIRE_BAD_USE' } })
    const second = await Chat.open(String((await suite.call('urlFor', { url: echo.url }))['url']))
    await suite.call('reset', { connectionID: (await suite.notified('connectionOpened', 2))['connectionID'] })
    expect(await second.closed).toMatchObject({ code: 1006 })
  })

  test('the network is slow, and away, and as ever again', async () => {
    const chat = await start()
    const { networkID } = await suite.call('network', { conditions: { blackHole: true } })
    chat.say('swallowed for now')
    await suite.call('waitFor', { what: 'clientMessage' })
    expect(chat.got).toEqual([])
    await suite.call('restoreNetwork', { networkID })
    expect(await chat.gets(1)).toEqual(['swallowed for now'])
    await suite.call('goOffline', { end: 'rst' })
    expect(await chat.closed).toMatchObject({ code: 1006 })
    await suite.call('goOnline')
    const again = await Chat.open(String((await suite.call('urlFor', { url: echo.url }))['url']))
    again.say('back')
    expect(await again.gets(1)).toEqual(['back'])
  })
})

describe('rules and waits', () => {
  test('a rule has a match, modifiers, a verb with arguments, and what follows it', async () => {
    const chat = await start()
    const dropped = await suite.call('addRule', { start: 'onClientMessage', match: { id: 3 }, modifiers: { once: true }, verb: 'drop' })
    await suite.call('addRule', { start: 'onServerMessage', match: { id: { $any: 'number' } }, verb: 'patch', args: [{ seen: true }] })
    await suite.call('addRule', {
      start: 'onClientMessage',
      match: { $regex: '^bye' },
      verb: 'replace',
      args: ['farewell'],
      then: [{ verb: 'thenSendToClient', args: [{ last: true }] }],
    })
    chat.say('{"id":3}', '{"id":3}', 'bye!')
    expect(await suite.call('waitForHit', { ruleID: dropped['ruleID'] })).toEqual({ hits: 1, held: 0 })
    expect(await chat.gets(3)).toEqual(expect.arrayContaining(['{"id":3,"seen":true}', 'farewell', '{"last":true}']))
    expect(echo.got).toEqual(['{"id":3}', 'farewell'])
    expect(await suite.call('removeRule', { ruleID: dropped['ruleID'] })).toEqual({ hits: 1 })
    expect(await suite.call('stopInterception')).toEqual({ failures: [] })
  })

  test('a rule asks about what matches it alone', async () => {
    const chat = await start()
    await suite.call('addRule', { start: 'onServerMessage', match: { $regex: 'ask' }, verb: 'ask' })
    suite.onAsked = asked => asked.answer({ action: 'drop' })
    chat.say('ask me', 'not me')
    expect(await chat.gets(1)).toEqual(['not me'])
    expect(suite.asked).toHaveLength(1)
  })

  test('a wait is met by what has been seen already, or by what is still to come', async () => {
    const chat = await start()
    chat.say('{"id":1}')
    const first = await suite.call('waitFor', { what: 'serverMessage', match: { id: 1 } })
    expect(first).toMatchObject({ seq: expect.any(Number), message: { from: 'server', type: 'text', data: '{"id":1}', value: { id: 1 } } })
    const next = suite.call('waitFor', { what: 'serverMessage', after: first['seq'] })
    chat.say(Buffer.from([7]))
    expect(await next).toMatchObject({ message: { type: 'binary', data: 'Bw==', value: { $base64: 'Bw==' } } })
    expect(await suite.call('waitFor', { what: 'connection', match: { path: '/' } })).toMatchObject({ connection: { path: '/' } })
    chat.say('close me')
    expect(await suite.call('waitFor', { what: 'close' })).toMatchObject({ close: { code: 4001, from: 'server' } })
  })

  test('a wait that is not met says what was seen', async () => {
    const chat = await start()
    chat.say('{"id":1}')
    await chat.gets(1)
    await expect(suite.call('waitFor', { what: 'serverMessage', match: { id: 2 }, timeout: 10 })).rejects.toMatchObject({
      code: -32001,
      data: { code: 'MIDWIRE_UNMET' },
      message: expect.stringMatching(/^no server message matched \{ id: 2 \} within \d+ ms\n  test "session 1"\n[^]*id: ?1/),
    })
    await expect(suite.call('expectNo', { what: 'serverMessage' })).rejects.toMatchObject({ code: -32001 })
  })

  test('HTTP requests are met by rules, waits and the journal, through the proxy of the session', async () => {
    const { proxyUrl } = await suite.call('startInterception', { mode: 'proxy', transform: false })
    await suite.call('addRule', { start: 'onRequest', match: { path: '/a' }, verb: 'respondWith', args: [418, { tea: true }] })
    const { port } = new URL(String(proxyUrl))
    const [response] = (await once(get({ host: '127.0.0.1', port, path: 'http://tea.example/a' }), 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(418)
    expect(String((await response.toArray())[0])).toBe('{"tea":true}')
    expect(await suite.call('waitFor', { what: 'response', match: { status: 418 } })).toMatchObject({
      exchange: { method: 'GET', url: 'http://tea.example/a', response: { status: 418, body: { type: 'text', data: '{"tea":true}' } } },
    })
    const { events, last, more } = await suite.call('journal', { limit: 1 })
    expect(events).toHaveLength(1)
    expect(more).toBe(true)
    const rest = await suite.call('journal', { after: last })
    expect(rest['events']).toEqual([expect.objectContaining({ kind: 'response' })])
  })
})
