import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { run } from '../src/commands/run.ts'
import { folderOf, midwire, outcomeOf, program, said, start } from './midwire.ts'
import { authorityIn, serve } from './server.ts'

const node = process.execPath

/** What a program was given: its arguments and its input, as JSON. */
const repeat = 'process.stdout.write(JSON.stringify(process.argv.slice(1))); process.stdin.pipe(process.stdout)'

describe('midwire run runs a command as it is', () => {
  test('with its arguments to the letter, and its input', async () => {
    const args = ['', ' ', 'a b', '$HOME', '`id`', '"', "'", '\\', '*', '--', '-h', '--output', 'ä', 'line\nfeed']
    const { code, output, errors } = await midwire(['run', '--', node, '-e', repeat, '--', ...args], { input: 'given' })
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(output).toBe(`${JSON.stringify(args)}given`)
  })

  test('also where no -- stands before it', async () => {
    const { output } = await midwire(['run', '--quiet', node, '-e', repeat, '--', '--help'])
    expect(output).toBe('["--help"]')
  })

  test('with its exit code, or 128 and the number of its signal', async () => {
    const outcome = (script: string): Promise<object> => midwire(['run', '--', node, '-e', script])
    expect(await outcome('process.exit(7)')).toMatchObject({ code: 7, errors: '' })
    expect(await outcome('process.kill(process.pid, "SIGKILL")')).toMatchObject({ code: 137, errors: '' })
  })

  test('and says what is to do where it cannot be started', async () => {
    const missing = await midwire(['run', '--', 'midwire-missing-command'])
    expect(missing).toMatchObject({
      code: 127,
      errors: 'midwire: the command "midwire-missing-command" was not found: it is in no folder of PATH\n',
    })
    expect((await midwire(['run', '--', 'curl -s x'])).errors).toContain('give the command and its arguments as words of their own')
    using folder = folderOf()
    writeFileSync(folder.file('plain'), '', { mode: 0o600 })
    const plain = await midwire(['run', '--', folder.file('plain')])
    expect(plain.code).toBe(126)
    expect(plain.errors).toContain('it is not executable by this user')
  })

  test('that standard input says, by the shell', async () => {
    const { code, output } = await midwire(['run'], { input: `x='a  b'\necho "$x" | tr a c\nexit 3\n` })
    expect({ code, output }).toEqual({ code: 3, output: 'c  b\n' })
    expect(await midwire(['run'], { input: ' ' })).toMatchObject({ code: 2, errors: expect.stringContaining('there is no command') })
  })

  test('and forwards signals to it', async () => {
    const wait =
      'process.on("SIGINT", () => process.exit(40)).on("SIGTERM", () => process.exit(41)).on("SIGHUP", () => process.exit(42)); setInterval(() => {}, 1e6); console.log("ready")'
    for (const [signal, code] of [
      ['SIGINT', 40],
      ['SIGTERM', 41],
      ['SIGHUP', 42],
    ] as const) {
      const child = start(['run', '--', node, '-e', wait])
      await said(child.stdout, /ready/)
      child.kill(signal)
      expect((await outcomeOf(child)).code).toBe(code)
    }
  })
})

describe('midwire run shows', () => {
  test('what curl asks for, over HTTP and HTTPS, and curl sees what it would have seen', async () => {
    using folder = folderOf()
    const authority = authorityIn(folder.path)
    const listener = (request: { url?: string | undefined; method?: string | undefined }, response: ServerResponse): void => {
      response.writeHead(request.url === '/none' ? 404 : 200, { 'Content-Type': 'text/plain' }).end(`${request.method} ${request.url}`)
    }
    await using plain = await serve(listener)
    await using secure = await serve(listener, authority.issue('localhost'))
    for (const { origin } of [plain, secure]) {
      const args = ['--silent', '--include', `${origin}/a?x=1`, `${origin}/none`]
      const direct = await program('curl', ['--cacert', authority.cert, ...args])
      expect(direct.output).toContain('GET /none')
      const { code, output, errors } = await midwire([
        'run',
        '--ca-cert',
        authority.cert,
        '--ca-key',
        authority.key,
        '--',
        'curl',
        '--suppress-connect-headers',
        ...args,
      ])
      expect({ code, output }).toEqual({ code: direct.code, output: direct.output })
      const [, first, second, ...more] = errors.split('\n')
      expect(first).toMatch(new RegExp(`^[\\d:.]{12} {2}GET +${origin}/a\\?x=1 +200 +10 B +\\d+ ms$`))
      expect(second).toMatch(new RegExp(`^[\\d:.]{12} {2}GET +${origin}/none +404 +9 B +\\d+ ms$`))
      expect(more).toEqual([''])
    }
  })

  test('what a Node program asks for that knows no proxy, and its WebSockets', async () => {
    await using served = await serve((_request, response) => response.end('hello'))
    const code = `
      const answer = await fetch('${served.origin}/here')
      console.log(await answer.text())
      const socket = new WebSocket('${served.origin.replace('http', 'ws')}/socket?key=abc')
      socket.onopen = () => socket.send('{"token":"abc","n":1}')
      socket.onmessage = ({ data }) => { console.log(data); socket.close(1000, 'done') }`
    const { output, errors } = await midwire(['run', '--codec', 'json', '--', node, '--input-type=module', '-e', code])
    expect(output).toBe('hello\n{"token":"abc","n":1}\n')
    expect(errors).toMatch(/GET +http:\/\/127\.0\.0\.1:\d+\/here +200 +5 B/)
    expect(errors).toMatch(/WS +ws:\/\/127\.0\.0\.1:\d+\/socket\?key=\[redacted\] #1 +101/)
    expect(errors).toMatch(/↑ #1 text 21 B {2}\{ token: "\[redacted\]", n: 1 \}/)
    expect(errors).toMatch(/↓ #1 text 21 B {2}\{ token: "\[redacted\]", n: 1 \}/)
    expect(errors).toMatch(/= #1 close 1000 done: 1 up, 1 down, 42 B/)
  })

  test('headers and bodies, secrets redacted unless they are asked for', async () => {
    await using served = await serve((_request, response) =>
      response
        .writeHead(200, { 'Content-Type': 'application/json', 'Set-Cookie': 'sid=s3cret1; Path=/' })
        .end('{"access_token":"s3cret2","n":1}'),
    )
    const command = ['curl', '-s', '-H', 'Authorization: Bearer s3cret3', '-d', 'password=s3cret4&a=1', `${served.origin}/?api_key=s3cret5`]
    const hidden = await midwire(['run', '--headers', '--bodies', '--', ...command])
    expect(hidden.errors).not.toContain('s3cret')
    expect(hidden.errors).toContain('    > Authorization: Bearer [redacted]\n')
    expect(hidden.errors).toContain('    > password=[redacted]&a=1\n')
    expect(hidden.errors).toContain('    < Set-Cookie: sid=[redacted]; Path=/\n')
    expect(hidden.errors).toContain('    < {"access_token":"[redacted]","n":1}\n')
    const shown = await midwire(['run', '--headers', '--bodies', '--show-secrets', '--', ...command])
    for (const n of [1, 2, 3, 4, 5]) expect(shown.errors).toContain(`s3cret${n}`)
    expect((await midwire(['run', '--', ...command])).errors).not.toContain('Authorization')
  })

  test('colours only where somebody sees them', async () => {
    await using served = await serve((_request, response) => response.end())
    const args = ['run', '--', 'curl', '-s', served.origin]
    expect((await midwire(args)).errors).not.toContain('\x1b')
    expect((await midwire(args, { env: { FORCE_COLOR: '1' } })).errors).toContain('\x1b[')
  })

  test('hosts that cannot be reached', async () => {
    const { code, errors } = await midwire(['run', '--', 'curl', '-s', 'http://midwire-missing.invalid/'])
    expect(code).toBe(0)
    expect(errors).toMatch(/GET +http:\/\/midwire-missing\.invalid\/ +502/)
  })
})

describe('midwire run trusts', () => {
  test('servers that the command would trust, and others only where it is told to', async () => {
    using folder = folderOf()
    const authority = authorityIn(folder.path)
    await using served = await serve((_request, response) => response.end('hello'), authority.issue('localhost'))
    const ask = ['--', 'curl', '--silent', `${served.origin}/`]
    const wary = await midwire(['run', ...ask])
    expect(wary.output).toBe('')
    expect(wary.errors).toMatch(/TLS to localhost failed/)
    expect((await midwire(['run', '--upstream-ca', authority.cert, ...ask])).output).toBe('hello')
    expect((await midwire(['run', '-k', ...ask])).output).toBe('hello')
    expect((await midwire(['run', ...ask], { env: { SSL_CERT_FILE: authority.cert } })).output).toBe('hello')
    await expect(run.run(['--upstream-ca', folder.file('none'), '--', 'true'])).rejects.toThrow('expected a file with certificates in PEM')
  })
})

describe('midwire run applies', () => {
  test('the rules of a file, with types or without', async () => {
    using folder = folderOf()
    await using served = await serve((_request, response) => response.end('real'))
    const rules = folder.file('rules.ts')
    writeFileSync(
      rules,
      `export function rules(proxy: { onRequest(match: object): any }): void {
        proxy.onRequest({ path: '/made-up' }).respondWith(418, 'short and stout')
      }`,
    )
    const ask = ['curl', '-s', '-w', ' %{http_code} ', `${served.origin}/real`, `${served.origin}/made-up`]
    const { output, errors } = await midwire(['run', '--rules', rules, '--', ...ask])
    expect(output).toBe('real 200 short and stout 418 ')
    expect(errors).toMatch(/\/made-up +418 .* respondWith by onRequest \(rules\.ts:2\)/)
    expect((await midwire(['run', '--rules', rules, '--', node, '-e', ''])).errors).toContain('never matched')
  })

  test('no rules of a file that has none, or is not there', async () => {
    using folder = folderOf()
    writeFileSync(folder.file('none.ts'), 'export const a = 1')
    writeFileSync(folder.file('broken.ts'), 'export const rules = (')
    writeFileSync(folder.file('throws.ts'), 'export default () => { throw new Error("no way") }')
    const errors = (name: string): Promise<string> =>
      run.run(['--rules', folder.file(name), '--', node, '-e', '']).then(
        () => 'it ran',
        (error: Error) => error.message,
      )
    expect(await errors('none.ts')).toContain('exports no rules; expected `export function rules(proxy)')
    expect(await errors('missing.ts')).toContain('there is no such file')
    expect(await errors('broken.ts')).toContain('cannot be loaded')
    expect(await errors('throws.ts')).toContain('failed: no way')
  })
})

describe('midwire run writes', () => {
  interface Har {
    readonly log: { readonly version: string; readonly entries: readonly Record<string, never>[] }
  }

  async function talk(file: string): Promise<void> {
    await using served = await serve((request, response) => {
      void text(request).then(() => response.writeHead(201, { 'Content-Type': 'application/json' }).end('{"secret":"s3cret","ok":true}'))
    })
    const code = `
      await (await fetch('${served.origin}/things?token=s3cret', { method: 'POST', body: '{"a":1}', headers: { cookie: 'c=s3cret' } })).text()
      const socket = new WebSocket('${served.origin.replace('http', 'ws')}/socket')
      socket.binaryType = 'arraybuffer'
      socket.onopen = () => { socket.send('{"password":"s3cret"}'); socket.send(new Uint8Array([0, 255])) }
      let left = 2
      socket.onmessage = () => { if (--left === 0) socket.close() }`
    const { code: exit } = await midwire(['run', '--quiet', '-o', file, '--', node, '--input-type=module', '-e', code])
    expect(exit).toBe(0)
    expect(readFileSync(file, 'utf8')).not.toContain('s3cret')
  }

  test('HAR 1.2, with the messages of WebSockets as Chrome has them', async () => {
    using folder = folderOf()
    await talk(folder.file('traffic.har'))
    const { log } = JSON.parse(readFileSync(folder.file('traffic.har'), 'utf8')) as Har
    expect(log.version).toBe('1.2')
    expect(log.entries).toHaveLength(2)
    expect(log.entries[0]).toMatchObject({
      startedDateTime: expect.stringMatching(/^\d{4}-.*Z$/),
      time: expect.any(Number),
      request: {
        method: 'POST',
        httpVersion: 'HTTP/1.1',
        cookies: [{ name: 'c', value: '[redacted]' }],
        queryString: [{ name: 'token', value: '[redacted]' }],
        postData: { text: '{"a":1}' },
        bodySize: 7,
      },
      response: { status: 201, content: { mimeType: 'application/json', text: '{"secret":"[redacted]","ok":true}' } },
      timings: { send: 0, wait: expect.any(Number), receive: expect.any(Number) },
    })
    expect(log.entries[1]).toMatchObject({
      _resourceType: 'websocket',
      response: { status: 101 },
      _webSocketMessages: [
        { type: 'send', opcode: 1, data: '{"password":"[redacted]"}', time: expect.any(Number) },
        { type: 'send', opcode: 2, data: 'AP8=' },
        { type: 'receive', opcode: 1 },
        { type: 'receive', opcode: 2 },
      ].map(message => expect.objectContaining(message) as object),
    })
  })

  test('lines of JSON', async () => {
    using folder = folderOf()
    await talk(folder.file('traffic.jsonl'))
    const lines = readFileSync(folder.file('traffic.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
    expect(lines.map(({ kind }) => kind)).toEqual([
      'exchange',
      'open',
      'message',
      'message',
      'message',
      'message',
      'close',
      'close',
      'over',
    ])
    expect(lines[0]).toMatchObject({ method: 'POST', response: { status: 201, body: { text: '{"secret":"[redacted]","ok":true}' } } })
    expect(lines[3]).toMatchObject({ connection: 1, from: 'client', type: 'binary', data: 'AP8=' })
  })

  test('nothing under a name that does not say what, or where nothing can be', async () => {
    await expect(run.run(['-o', 'x.txt', '--', 'true'])).rejects.toThrow('expected a name that ends in .har or .jsonl')
    await expect(run.run(['-o', '/missing/x.har', '--', 'true'])).rejects.toThrow('--output /missing/x.har cannot be written')
  })
})

test('a reader of the table that does not read holds up nothing', async () => {
  await using served = await serve((_request, response) => response.end('x'))
  const many = Array.from({ length: 400 }, () => `${served.origin}/${'long'.repeat(100)}`)
  const child = start(['run', '--headers', '--', 'curl', '--silent', ...many])
  child.stderr.pause()
  const output = await text(child.stdout)
  expect(output).toBe('x'.repeat(400))
  child.stderr.resume()
  await once(child, 'close')
})
