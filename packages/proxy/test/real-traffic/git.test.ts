import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run, versionOf } from './program.ts'
import type { Outcome } from './program.ts'
import { serveBehindProxy } from './served-proxy.ts'
import type { ServedProxy } from './served-proxy.ts'

const version = versionOf('git')

let served: ServedProxy
let folder: string
beforeAll(async () => {
  served = await serveBehindProxy((request, response) => runHttpBackend(served.folder, request, response))
  folder = served.folder
  if (version === undefined) return
  await git(['init', '--quiet', '--bare', '--initial-branch=main', join(folder, 'notes.git')])
  await git(['-C', join(folder, 'notes.git'), 'config', 'http.receivepack', 'true'])
  const work = join(folder, 'work')
  mkdirSync(work)
  await git(['init', '--quiet', '--initial-branch=main', work])
  for (const name of ['one', 'two']) {
    // Enough for a pack that takes several chunks, and will not shrink to none.
    writeFileSync(join(work, name), Array.from({ length: 30_000 }, (_, n) => `${name} ${(n * 7919) % 104_729}\n`).join(''))
    await git(['-C', work, 'add', '.'])
    await git(['-C', work, 'commit', '--quiet', '-m', name])
  }
  await git(['-C', work, 'push', '--quiet', join(folder, 'notes.git'), 'main', 'main:refs/heads/other'])
})
afterAll(async () => served[Symbol.asyncDispose]())

async function git(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const identity = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.com',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.com',
  }
  const alone = { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' }
  const outcome = await run('git', args, { env: { ...identity, ...alone, GIT_SSL_CAINFO: served.ca, ...env } })
  if (outcome.code !== 0) throw new Error(`git ${args.join(' ')}: ${outcome.errors}`)
  return outcome
}

/** As `git`, through the proxy; tells what it asked for. */
async function gitThroughProxy(args: readonly string[]): Promise<{ readonly outcome: Outcome; readonly asked: readonly string[] }> {
  served.takeExchanges()
  const outcome = await git(args, { https_proxy: served.engine.url })
  return { outcome, asked: served.takeExchanges().map(({ method, path }) => `${method} ${path}`) }
}

describe.skipIf(version === undefined)(`git (${version ?? 'is not here'})`, () => {
  test('lists the same refs of a server through the proxy', async () => {
    const args = ['ls-remote', `${served.origin}/notes.git`]
    const direct = await git(args)
    const { outcome, asked } = await gitThroughProxy(args)
    expect(outcome).toEqual(direct)
    expect(String(direct.output)).toMatch(/^[\da-f]{40}\tHEAD\n[\da-f]{40}\trefs\/heads\/main\n[\da-f]{40}\trefs\/heads\/other\n$/)
    expect(asked).toEqual(['GET /notes.git/info/refs', 'POST /notes.git/git-upload-pack'])
  })

  test('clones the same, and pushes', async () => {
    const head = async (at: string): Promise<string> => String((await git(['-C', join(folder, at), 'rev-parse', 'HEAD'])).output)
    await git(['clone', '--quiet', `${served.origin}/notes.git`, join(folder, 'direct')])
    await gitThroughProxy(['clone', '--quiet', `${served.origin}/notes.git`, join(folder, 'proxied')])
    expect(await head('proxied')).toBe(await head('direct'))
    await git(['-C', join(folder, 'proxied'), 'fsck', '--strict'])

    writeFileSync(join(folder, 'proxied', 'three'), 'x'.repeat(1_200_000))
    await git(['-C', join(folder, 'proxied'), 'add', '.'])
    await git(['-C', join(folder, 'proxied'), 'commit', '--quiet', '-m', 'three'])
    // Larger than its buffer: the pack goes in chunks.
    const push = ['-C', join(folder, 'proxied'), '-c', 'http.postBuffer=1000', '-c', 'core.compression=0', 'push', '--quiet']
    const { asked } = await gitThroughProxy([...push, 'origin', 'main'])
    expect(asked).toContain('POST /notes.git/git-receive-pack')
    expect(await head('notes.git')).toBe(await head('proxied'))
  })
})

/** The server that git brings, as the CGI program that it is (RFC 3875). */
function runHttpBackend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'https://localhost')
  const of = (name: string): string => String(request.headers[name] ?? '')
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROTOCOL: of('git-protocol'),
      HTTP_CONTENT_ENCODING: of('content-encoding'),
      REMOTE_USER: 'a',
      REMOTE_ADDR: '127.0.0.1',
      REQUEST_METHOD: request.method,
      PATH_INFO: pathname,
      QUERY_STRING: String(searchParams),
      CONTENT_TYPE: of('content-type'),
    },
  })
  backend.stdin.on('error', () => {})
  request.pipe(backend.stdin)
  let head = ''
  backend.stdout.on('data', function readHead(chunk: Buffer) {
    head += chunk.toString('latin1')
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    backend.stdout.off('data', readHead)
    const fields = head
      .slice(0, end)
      .split('\r\n')
      .map(line => line.split(/: ?(.*)/s, 2))
    const status = Number.parseInt(fields.find(([name]) => name === 'Status')?.[1] ?? '200', 10)
    response.writeHead(status, fields.filter(([name]) => name !== 'Status').flat())
    response.write(Buffer.from(head.slice(end + 4), 'latin1'))
    backend.stdout.pipe(response)
  })
}
