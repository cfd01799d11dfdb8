import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { midwire, outcomeOf, program, said, start } from './midwire.ts'
import { serve } from './server.ts'

describe('midwire serve', () => {
  test('is a proxy until it is told to end, and says how to use it', async () => {
    await using served = await serve((_request, response) => response.end('hello'))
    const running = start(['serve'])
    const [, url = ''] = await said(running.stdout, /listens on (http:\/\/127\.0\.0\.1:\d+)\n[^]*Firefox/)
    expect((await program('curl', ['-s', '--proxy', url, `${served.origin}/a`])).output).toBe('hello')
    const socks = url.replace('http', 'socks5h')
    expect((await program('curl', ['-s', '--proxy', socks, `${served.origin}/b`])).output).toBe('hello')
    running.kill('SIGINT')
    const { code, errors } = await outcomeOf(running)
    expect(code).toBe(0)
    expect(errors).toMatch(/GET +\S+\/a +200 +5 B[^]*GET +\S+\/b +200 +5 B/)
  })

  test('says what is to do where its port is taken', async () => {
    await using served = await serve(() => {})
    const { code, errors } = await midwire(['serve', '--port', String(served.port)])
    expect(code).toBe(2)
    expect(errors).toMatch(
      /^midwire: cannot listen on 127\.0\.0\.1:\d+: the port is in use.*; give another --port, or none for any that is free\n$/,
    )
  })
})

describe('midwire sniff', () => {
  test('shows the frames of one server, decoded', async () => {
    await using served = await serve(() => {})
    const running = start(['sniff', '--target', `ws://127.0.0.1:${served.port}/socket`, '--codec', 'json'])
    const [, url = ''] = await said(running.stdout, /(ws:\/\/127\.0\.0\.1:\d+\/socket) stands for/)
    const socket = new WebSocket(url)
    await once(socket, 'open')
    socket.send('{"action":"hello","token":"s3cret"}')
    const [answer] = (await once(socket, 'message')) as [Buffer]
    expect(String(answer)).toBe('{"action":"hello","token":"s3cret"}')
    socket.ping('beat')
    await once(socket, 'pong')
    socket.close(4001, 'enough')
    await once(socket, 'close')
    running.kill('SIGTERM')
    const { code, errors } = await outcomeOf(running)
    expect(code).toBe(0)
    expect(errors).toContain('↑ #1 text 35 B  { action: "hello", token: "[redacted]" }')
    expect(errors).toContain('↓ #1 text 35 B  { action: "hello", token: "[redacted]" }')
    expect(errors).toContain('↑ #1 ping  beat')
    expect(errors).toContain('↓ #1 pong  beat')
    expect(errors).toContain('↑ #1 close 4001 enough')
  })
})
