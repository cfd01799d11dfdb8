import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { findAuthority } from '../src/authority-source.ts'
import { loadCodec } from '../src/codecs.ts'
import { ca } from '../src/commands/ca.ts'
import { run } from '../src/commands/run.ts'
import { serve } from '../src/commands/serve.ts'
import { sniff } from '../src/commands/sniff.ts'
import { folderOf, midwire } from './midwire.ts'
import { authorityIn } from './server.ts'

test('midwire tells its commands, and the one that was meant', async () => {
  const { code, output } = await midwire([])
  expect(code).toBe(0)
  for (const name of ['run', 'serve', 'sniff', 'ca']) expect(output).toMatch(new RegExp(`^ {2}${name} `, 'm'))
  expect((await midwire(['run', '--help'])).output).toContain('--show-secrets')
  expect(await midwire(['sreve'])).toMatchObject({ code: 2, errors: 'midwire: there is no command "sreve"; did you mean midwire serve?\n' })
})

describe('what cannot be meant is told', () => {
  test('by each command', async () => {
    await expect(run.run(['--ouput', 'x', '--', 'true'])).rejects.toThrow('there is no option --ouput; did you mean --output?')
    await expect(run.run(['--port', 'x', '--', 'true'])).rejects.toThrow('--port x: expected a port from 0 to 65535')
    await expect(run.run(['--route', 'x', '--', 'true'])).rejects.toThrow('--route x: expected HOST=URL')
    await expect(serve.run(['curl', 'x'])).rejects.toThrow('did you mean midwire run -- curl x?')
    await expect(sniff.run([])).rejects.toThrow('--target is missing')
    await expect(sniff.run(['--target', 'host:80'])).rejects.toThrow('expected a URL with ws://')
    expect(() => ca.run(['x'])).toThrow('takes options only')
  })

  test('by the names of codecs', async () => {
    await expect(loadCodec('jsno')).rejects.toThrow('--codec jsno: did you mean json? expected one of binary, cbor,')
    for (const name of ['json', 'msgpack', 'socket.io', 'socket-io', 'mqtt', 'graphql-ws', 'cbor', 'stomp'])
      expect(await loadCodec(name)).toHaveProperty('decode')
  })
})

describe('an authority', () => {
  test('is read from files, its key beside it, or in one with it', () => {
    using folder = folderOf()
    const { cert, key } = authorityIn(folder.path)
    expect(findAuthority({ 'ca-cert': cert, 'ca-key': key })).toMatchObject({ file: cert, isMkcerts: false })
    const both = folder.file('both.pem')
    execFileSync('sh', ['-c', 'cat "$1" "$2" > "$3"', 'sh', cert, key, both])
    expect(findAuthority({ 'ca-cert': both })).toMatchObject({ file: both })
    expect(() => findAuthority({ 'ca-cert': cert })).toThrow(`needs its key: --ca-key FILE, or a file ${folder.file('authority-key.pem')}`)
    expect(() => findAuthority({ 'ca-key': key })).toThrow('--ca-cert FILE')
  })

  test('that is of no use is told, and why', () => {
    using folder = folderOf()
    const { cert, key } = authorityIn(folder.path)
    const other = folderOf()
    const { key: wrong } = authorityIn(other.path)
    expect(() => findAuthority({ 'ca-cert': folder.file('none') })).toThrow('cannot be read: there is no such file')
    expect(() => findAuthority({ 'ca-cert': folder.path })).toThrow('cannot be read: it is a folder')
    expect(() => findAuthority({ 'ca-cert': cert, 'ca-key': wrong })).toThrow('the key is not that of the certificate')
    writeFileSync(folder.file('locked.key'), '-----BEGIN ENCRYPTED PRIVATE KEY-----\n')
    expect(() => findAuthority({ 'ca-cert': cert, 'ca-key': folder.file('locked.key') })).toThrow(
      'is encrypted; expected one without a passphrase',
    )
    other[Symbol.dispose]()
    chmodSync(key, 0o000)
    // Root may read everything.
    if (process.getuid?.() !== 0) expect(() => findAuthority({ 'ca-cert': cert, 'ca-key': key })).toThrow('may not be read by this user')
  })

  test('of mkcert is found by itself', () => {
    using folder = folderOf()
    const { cert, key } = authorityIn(folder.path)
    const env = { CAROOT: folder.path, PATH: '' }
    expect(findAuthority({}, env)).toBeUndefined()
    execFileSync('cp', [cert, folder.file('rootCA.pem')])
    execFileSync('cp', [key, folder.file('rootCA-key.pem')])
    expect(findAuthority({}, env)).toMatchObject({ file: folder.file('rootCA.pem'), isMkcerts: true })
    expect(findAuthority({ 'no-mkcert': true }, env)).toBeUndefined()

    const home = folder.file('home')
    const standard = process.platform === 'darwin' ? 'Library/Application Support/mkcert' : '.local/share/mkcert'
    execFileSync('mkdir', ['-p', `${home}/${standard}`])
    execFileSync('cp', [cert, `${home}/${standard}/rootCA.pem`])
    execFileSync('cp', [key, `${home}/${standard}/rootCA-key.pem`])
    expect(findAuthority({}, { HOME: home, PATH: '' })).toMatchObject({ isMkcerts: true })
  })
})

test('midwire ca makes an authority whose key is this user’s alone, and says how to trust it', async () => {
  using folder = folderOf()
  const file = folder.file('own.pem')
  const made = await midwire(['ca', '--out', file])
  expect(made).toMatchObject({ code: 0, output: '' })
  expect(statSync(folder.file('own-key.pem')).mode & 0o777).toBe(0o600)
  for (const line of [
    'NODE_EXTRA_CA_CERTS=',
    'curl --cacert',
    'REQUESTS_CA_BUNDLE=',
    'http.sslCAInfo=',
    'DENO_CERT=',
    'keytool',
    'spki-list=',
  ])
    expect(made.errors).toContain(line)
  expect((await midwire(['ca', '--out', file])).errors).toContain('it is there already; --force overwrites it')
  // As somebody may have left it who made the key by other means.
  chmodSync(folder.file('own-key.pem'), 0o644)
  expect(await midwire(['ca', '--out', file, '--force'])).toMatchObject({ code: 0 })
  expect(statSync(folder.file('own-key.pem')).mode & 0o777).toBe(0o600)
  const printed = await midwire(['ca', '--ca-cert', file])
  expect(new X509Certificate(printed.output).ca).toBe(true)
  expect(printed.output).not.toContain('KEY')
  expect((await midwire(['ca', '--no-mkcert'])).errors).toContain('there is no authority that stays; midwire ca --out FILE makes one')
})
