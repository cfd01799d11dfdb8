import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { ControlClient } from '../src/control/testing/control-client.ts'
import { midwire, outcomeOf, said, start } from './midwire.ts'

describe('midwire serve --control', () => {
  test('says on one line where it listens, and ends with its input where it is told so', async () => {
    const child = start(['serve', '--control', '--until-eof'], { env: { MIDWIRE_TOKEN: 'from.the-environment' } })
    const [line] = await said(child.stdout, /^.*\n/)
    const told = JSON.parse(line) as { url: string; token: string; env: object }
    expect(told).toMatchObject({ token: 'from.the-environment', env: { MIDWIRE_PARENT: expect.any(String) } })
    await using suite = await ControlClient.open(told.url, told.token)
    await suite.call('startInterception', { mode: 'proxy' })
    expect(await outcomeOf(child)).toMatchObject({ code: 0, errors: '' })
  })

  test('ends on a signal', async () => {
    const child = start(['serve', '--control'])
    await said(child.stdout, /token/)
    child.kill('SIGTERM')
    expect(await outcomeOf(child)).toMatchObject({ code: 0, errors: '' })
  })

  test('has help of its own', async () => {
    expect((await midwire(['serve', '--control', '--help'])).output).toContain('docs/other-languages.md')
  })

  test('says what to do about a port in use, and about options that cannot be meant', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const inUse = await midwire(['serve', '--control', '--port', String(port)])
    server.close()
    expect(inUse).toMatchObject({ code: 2, output: '', errors: expect.stringContaining('give another --port') })
    expect(await midwire(['serve', '--control', '--tokn', 'x'])).toMatchObject({
      code: 2,
      errors: expect.stringContaining('did you mean --token?'),
    })
    expect(await midwire(['serve', '--control', '--token', 'a b'])).toMatchObject({
      code: 2,
      errors: expect.stringContaining('--token: expected'),
    })
    expect(await midwire(['serve', '--control', 'npm'])).toMatchObject({ code: 2, errors: expect.stringContaining('takes no command') })
  })
})
