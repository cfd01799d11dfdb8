import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { startControlServer } from './control-server.ts'
import { startEchoServer } from './testing/chat.ts'
import { ControlClient } from './testing/control-client.ts'

/** A process that says each of its lines over a WebSocket of its own, and prints what comes back. */
const program = `
  const lines = require('node:readline').createInterface({ input: process.stdin })
  lines.on('line', line => {
    const [url, text] = line.split(' ')
    const socket = new WebSocket(url)
    socket.onopen = () => socket.send(text)
    socket.onmessage = ({ data }) => { console.log(data); socket.close() }
  })
  console.log('ready')
`

test('mode local takes over what a process on Node opens from then on, and gives it back', async () => {
  await using server = await startControlServer()
  await using echo = await startEchoServer()
  await using suite = await ControlClient.open(server.url, server.token)
  const child = spawn(process.execPath, ['-e', program], {
    env: { PATH: process.env['PATH'], ...server.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const heard = async (): Promise<unknown> => (await lines.next()).value
  expect(await heard()).toBe('ready')

  await suite.call('startInterception', { mode: 'local', pid: child.pid, transform: false })
  await suite.call('addRule', { start: 'onServerMessage', verb: 'replace', args: ['mine'] })
  child.stdin.write(`${echo.url} one\n`)
  expect(await heard()).toBe('mine')
  expect(await suite.call('waitFor', { what: 'clientMessage' })).toMatchObject({ message: { data: 'one' } })
  await suite.call('stopInterception')
  child.stdin.write(`${echo.url} two\n`)
  expect(await heard()).toBe('two')
  child.stdin.end()
  child.kill()
  await exited
})

/** A suite that takes over its own process, then speaks with a server of its own, and with the control server once more. */
const ownSuite = `
  const [url, echo] = process.argv.slice(1)
  const call = (socket, method, params) => socket.send(JSON.stringify({ jsonrpc: '2.0', id: method, method, params }))
  const suite = new WebSocket(url)
  suite.onopen = () => call(suite, 'startInterception', { mode: 'local', pid: process.pid })
  suite.onmessage = ({ data }) => {
    const { id, method, params, error } = JSON.parse(data)
    if (error) throw new Error(error.message)
    if (method === 'transformInterceptedMessage') {
      const result = { action: 'replace', type: 'text', data: params.data + (params.fromClient ? ' there' : ' and back') }
      suite.send(JSON.stringify({ jsonrpc: '2.0', id, result }))
    }
    if (id !== 'startInterception') return
    const client = new WebSocket(echo)
    client.onopen = () => client.send('hello')
    client.onmessage = ({ data }) => {
      console.log(data)
      const second = new WebSocket(url)
      second.onopen = () => call(second, 'startInterception', { mode: 'local', pid: process.pid })
      second.onmessage = ({ data }) => { console.log(JSON.parse(data).error.message); process.exit() }
    }
  }
`

test('a suite may take over its own process, and goes on speaking with the control server', async () => {
  await using server = await startControlServer()
  await using echo = await startEchoServer()
  const child = spawn(process.execPath, ['-e', ownSuite, `${server.url}?token=${server.token}`, echo.url], {
    env: { PATH: process.env['PATH'], ...server.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  expect(await text(child.stdout)).toMatch(/^hello there and back\n.*belongs to "session 1"; it can be another's once that has ended\n$/)
})

test.runIf(process.platform === 'linux')('mode local names what stands in its way', async () => {
  await using server = await startControlServer()
  await using suite = await ControlClient.open(server.url, server.token)
  const local = (pid: number): Promise<unknown> => suite.call('startInterception', { mode: 'local', pid })
  await expect(local(process.pid)).rejects.toMatchObject({
    code: -32000,
    data: { code: 'MIDWIRE_CAPTURE' },
    message: expect.stringMatching(/was started without the import.*docs\/transparent\.md/),
  })
  const sleeper = spawn('sleep', ['60'], { env: { ...process.env, ...server.env } })
  await once(sleeper, 'spawn')
  await expect(local(sleeper.pid ?? 0)).rejects.toThrow(/\(sleep\) is not Node/)
  const exited = once(sleeper, 'exit')
  sleeper.kill()
  await exited
  await expect(local(sleeper.pid ?? 0)).rejects.toThrow('there is no process')
  // None of them has begun a session.
  await suite.call('startInterception', { mode: 'proxy' })
})
