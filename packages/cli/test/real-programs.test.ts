import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { folderOf, midwire, program } from './midwire.ts'
import type { RunOptions } from './midwire.ts'
import { authorityIn, serve } from './server.ts'

/** Runs a program alone and by `midwire run`: code and output must be the same. Returns the table without its times. */
async function sameByMidwire(authority: { cert: string; key: string }, command: readonly string[], options: RunOptions): Promise<string[]> {
  const [file = '', ...args] = command
  const direct = await program(file, args, options)
  const { code, output, errors } = await midwire(['run', '--ca-cert', authority.cert, '--ca-key', authority.key, '--', ...command], options)
  expect({ code, output }).toEqual({ code: direct.code, output: direct.output })
  expect(direct.code).toBe(0)
  return errors.split('\n').flatMap(line => /\d{3} {2}(GET|POST) +(\S+) +(\d+)/.exec(line)?.slice(1).join(' ') ?? [])
}

function has(file: string): boolean {
  try {
    return execFileSync(file, ['--version'], { stdio: 'pipe' }).length > 0
  } catch {
    return false
  }
}

describe('under midwire run', () => {
  test.skipIf(!has('npm'))('npm views the same package', { timeout: 60_000 }, async () => {
    using folder = folderOf()
    const authority = authorityIn(folder.path)
    const about = {
      name: 'wire-sample',
      'dist-tags': { latest: '1.2.3' },
      versions: { '1.2.3': { name: 'wire-sample', version: '1.2.3' } },
    }
    await using registry = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(about))
    }, authority.issue('localhost'))
    let caches = 0
    const env = {
      npm_config_registry: registry.origin,
      npm_config_cafile: authority.cert,
      npm_config_userconfig: folder.file('npmrc'),
      npm_config_globalconfig: folder.file('global-npmrc'),
      npm_config_update_notifier: 'false',
      get npm_config_cache(): string {
        return folder.file(`cache-${caches++}`)
      },
    }
    const asked = await sameByMidwire(authority, ['npm', 'view', 'wire-sample', 'version'], { env })
    expect(asked).toEqual([`GET ${registry.origin}/wire-sample 200`])
  })

  test.skipIf(!has('git'))('git lists the same refs', async () => {
    using folder = folderOf()
    const authority = authorityIn(folder.path)
    mkdirSync(folder.file('root'))
    const work = folder.file('root/notes.git')
    const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com']
    execFileSync('git', ['init', '--quiet', '--initial-branch=main', work])
    execFileSync('git', ['-C', work, ...identity, 'commit', '--quiet', '--allow-empty', '-m', 'one'])
    await using served = await serve(
      (request, response) => runHttpBackend(folder.file('root'), request, response),
      authority.issue('localhost'),
    )
    const env = { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0', GIT_SSL_CAINFO: authority.cert }
    const asked = await sameByMidwire(authority, ['git', 'ls-remote', `${served.origin}/notes.git`], { env })
    expect(asked).toEqual([
      `GET ${served.origin}/notes.git/info/refs?service=git-upload-pack 200`,
      `POST ${served.origin}/notes.git/git-upload-pack 200`,
    ])
  })

  test.skipIf(!has('python3'))('Python asks for the same', async () => {
    using folder = folderOf()
    const authority = authorityIn(folder.path)
    await using served = await serve(
      (request, response) => void text(request).then(body => response.end(`got ${body}`)),
      authority.issue('localhost'),
    )
    const script = `import urllib.request; print(urllib.request.urlopen('${served.origin}/py', data=b'x').read())`
    const asked = await sameByMidwire(authority, ['python3', '-c', script], { env: { SSL_CERT_FILE: authority.cert } })
    expect(asked).toEqual([`POST ${served.origin}/py 200`])
  })
})

/** The server that git brings, as the CGI program that it is (RFC 3875). */
function runHttpBackend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? '/', 'https://localhost')
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: '127.0.0.1',
      REQUEST_METHOD: request.method,
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
    },
  })
  request.pipe(backend.stdin)
  void text(backend.stdout).then(answer => {
    const [head = '', ...rest] = answer.split('\r\n\r\n')
    const fields = head.split('\r\n').map(line => line.split(/: ?(.*)/s, 2))
    response.writeHead(200, fields.filter(([name]) => name !== 'Status').flat()).end(rest.join('\r\n\r\n'))
  })
}
