import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run, versionOf } from './program.ts'
import type { Outcome } from './program.ts'
import { serveBehindProxy } from './served-proxy.ts'
import type { ServedProxy } from './served-proxy.ts'

const version = versionOf('npm')
const manifest = { name: 'wire-sample', version: '1.2.3', description: 'A package of its own', license: 'MIT' }

let served: ServedProxy
let archive: Buffer
beforeAll(async () => {
  served = await serveBehindProxy((request, response) => {
    if (request.url === '/wire-sample')
      return void response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(about()))
    if (request.url === '/wire-sample/-/wire-sample-1.2.3.tgz') return void response.end(archive)
    response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"error":"not found"}')
  })
  if (version === undefined) return
  const source = join(served.folder, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'package.json'), JSON.stringify(manifest))
  await npm(['pack', '--silent', '--pack-destination', served.folder], source)
  archive = readFileSync(join(served.folder, 'wire-sample-1.2.3.tgz'))
}, 60_000)
afterAll(async () => served[Symbol.asyncDispose]())

/** What a registry knows of the package. */
function about(): object {
  const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`
  const dist = { tarball: `${served.origin}/wire-sample/-/wire-sample-1.2.3.tgz`, integrity }
  return { name: manifest.name, 'dist-tags': { latest: '1.2.3' }, versions: { '1.2.3': { ...manifest, dist } } }
}

async function npm(args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const settings = {
    npm_config_registry: served.origin,
    npm_config_cafile: served.ca,
    // Each run asks for itself.
    npm_config_cache: join(served.folder, `cache-${caches++}`),
    npm_config_userconfig: join(served.folder, 'no-npmrc'),
    npm_config_globalconfig: join(served.folder, 'no-global-npmrc'),
    npm_config_update_notifier: 'false',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_fetch_retries: '0',
  }
  return run('npm', args, { cwd, env: { ...settings, ...env } })
}
let caches = 0

/** Runs npm directly and through the proxy; both must come to the same. */
async function sameThroughProxy(...args: readonly string[]): Promise<{ readonly outcome: Outcome; readonly asked: readonly string[] }> {
  const [cwd, other] = ['direct', 'proxied'].map(name => join(served.folder, name)) as [string, string]
  for (const folder of [cwd, other]) mkdirSync(folder, { recursive: true })
  const direct = await npm(args, cwd)
  expect(served.takeExchanges()).toHaveLength(0)
  const proxied = await npm(args, other, { npm_config_https_proxy: served.engine.url })
  const asked = served.takeExchanges().map(({ method, path }) => `${method} ${path}`)
  expect({ code: proxied.code, output: String(proxied.output) }).toEqual({ code: direct.code, output: String(direct.output) })
  return { outcome: direct, asked }
}

describe.skipIf(version === undefined)(`npm (${version ?? 'is not here'})`, () => {
  test('views the same package through the proxy', { timeout: 60_000 }, async () => {
    const { outcome, asked } = await sameThroughProxy('view', 'wire-sample', '--json')
    expect(JSON.parse(String(outcome.output))).toMatchObject({ name: 'wire-sample', 'dist-tags': { latest: '1.2.3' } })
    expect(asked).toEqual(['GET /wire-sample'])
  })

  test('installs the same package, and is told of one that is missing', { timeout: 60_000 }, async () => {
    const { outcome, asked } = await sameThroughProxy('install', '--silent', 'wire-sample')
    expect(outcome.code).toBe(0)
    expect(asked).toEqual(['GET /wire-sample', 'GET /wire-sample/-/wire-sample-1.2.3.tgz'])
    const installed = (folder: string): unknown =>
      JSON.parse(readFileSync(join(served.folder, folder, 'node_modules', 'wire-sample', 'package.json'), 'utf8'))
    expect(installed('proxied')).toEqual(installed('direct'))
    const missing = await sameThroughProxy('view', 'wire-missing', '--json')
    expect(missing.outcome.code).not.toBe(0)
  })
})
