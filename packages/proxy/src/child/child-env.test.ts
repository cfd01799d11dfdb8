import { execFile } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { startProxy } from '../proxy.ts'
import { childEnv } from './child-env.ts'

const run = promisify(execFile)
const given = { url: 'http://127.0.0.1:1', certificateFile: '/ca.pem', bundleFile: '/all.pem', base: {} }

describe('the environment of a child', () => {
  test('names the proxy in both cases, and overrules the hosts that would have been left out', () => {
    const env = childEnv({ ...given, base: { NO_PROXY: 'localhost' } })
    expect(env).toMatchObject({ HTTPS_PROXY: given.url, https_proxy: given.url, wss_proxy: given.url, NO_PROXY: '', no_proxy: '' })
    expect(childEnv({ ...given, noProxy: ['a.test', 'b.test'] })).toMatchObject({ NO_PROXY: 'a.test,b.test', no_proxy: 'a.test,b.test' })
  })

  test('adds the authority where that is what a variable does, and the bundle where it replaces the roots', () => {
    expect(childEnv(given)).toMatchObject({
      NODE_EXTRA_CA_CERTS: '/ca.pem',
      DENO_CERT: '/ca.pem',
      SSL_CERT_FILE: '/all.pem',
      GIT_SSL_CAINFO: '/all.pem',
      npm_config_cafile: '/all.pem',
    })
  })

  test('keeps the NODE_OPTIONS that are there, and adds its own once', async () => {
    const register = { url: 'data:text/javascript,console.log(%22first%22)', variables: { MIDWIRE_X: '1' } }
    const options = { ...given, register, base: { NODE_OPTIONS: '--title="two words"' } }
    const env = childEnv(options)
    const { stdout } = await run(process.execPath, ['-p', 'process.title + process.env.MIDWIRE_X'], { env })
    expect(stdout.trim().split('\n')).toEqual(['first', 'two words1'])
    expect(childEnv({ ...options, base: env })['NODE_OPTIONS']).toBe(env['NODE_OPTIONS'])
  })

  test('tells Node itself of the proxy only where nothing is to be loaded', () => {
    expect(childEnv(given)['NODE_USE_ENV_PROXY']).toBe('1')
    expect(childEnv({ ...given, register: { url: 'data:,', variables: {} } })['NODE_USE_ENV_PROXY']).toBe('0')
  })
})

describe('the files it names', () => {
  test('are this user’s alone, hold our authority beside the roots, and are gone with the proxy', async () => {
    const engine = await startProxy({ capture: false })
    const { NODE_EXTRA_CA_CERTS: own = '', SSL_CERT_FILE: bundle = '' } = engine.env()
    expect(readFileSync(own, 'utf8')).toContain(engine.certificate.trim())
    expect(readFileSync(bundle, 'utf8')).toContain(engine.certificate.trim())
    expect(readFileSync(bundle, 'utf8').match(/BEGIN/g)?.length).toBeGreaterThan(100)
    expect([own, bundle, dirname(own)].map(path => (statSync(path).mode & 0o777).toString(8))).toEqual(['600', '600', '700'])
    expect(engine.env()['SSL_CERT_FILE']).toBe(bundle)
    await engine.close()
    expect(existsSync(dirname(own))).toBe(false)
    expect(() => engine.env()).toThrow('the proxy has been stopped')
  })

  test('are made for no option that cannot be meant', async () => {
    await using engine = await startProxy({ capture: false })
    expect(() => engine.env(engine.root, { noproxy: [] } as object)).toThrow('unknown option "noproxy" — expected noProxy or register')
    expect(() => engine.env(engine.root, { noProxy: ['a, b'] })).toThrow('expected an array of host names')
  })
})
