import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { startEchoServer } from '../src/control/testing/chat.ts'
import { program } from './midwire.ts'

const folder = fileURLToPath(new URL('../python', import.meta.url))
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/** That of the system first: others seldom have its packages. */
const python = ['/usr/bin/python3', 'python3'].find(
  command => spawnSync(command, ['-c', 'import sys, websockets; assert sys.version_info >= (3, 11)']).status === 0,
)

const lack = 'there is no Python 3.11 with the package websockets; apt-get install python3-websockets'
const env = { MIDWIRE: `${process.execPath} ${main}`, PYTHONDONTWRITEBYTECODE: '1' }

describe('a suite in Python drives an intercepted client of its own', () => {
  test('with the module that may be copied into it', async context => {
    if (python === undefined) return context.skip(lack)
    const { code, errors } = await program(python, ['-W', 'error', '-m', 'unittest'], { env, cwd: folder })
    // All of them: none is skipped, and none gets lost.
    expect(errors).toMatch(/^Ran 8 tests in [\d.]+s\n\nOK$/m)
    expect(code).toBe(0)
  })

  test('as the page about other languages shows', async context => {
    if (python === undefined) return context.skip(lack)
    await using server = await startEchoServer()
    const page = readFileSync(new URL('../../../docs/other-languages.md', import.meta.url), 'utf8')
    const [, code = ''] = /```python\n([^]*?)```/.exec(page) ?? []
    const suite = `${code.replace('http://127.0.0.1:4000', server.url.replace('ws:', 'http:'))}\nunittest.main()\n`
    const outcome = await program(python, ['-'], { env: { ...env, PYTHONPATH: folder }, input: suite })
    expect(outcome.errors).toMatch(/^Ran 1 test in [\d.]+s\n\nOK$/m)
    expect(server.got.map(text => JSON.parse(String(text)))).toMatchObject([{ msgSerial: 0 }, { msgSerial: 1 }, { msgSerial: 3 }])
  })
})
