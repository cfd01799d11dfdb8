import { Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Scope } from '../scope.ts'
import { Authority } from '../tls/authority.ts'
import { realm } from './realm.ts'
import { install, prepareCapture } from './reroute.ts'
import { expectNothingLeft } from './testing/nothing-left.ts'

const record = Symbol.for('midwire.v1')
const target = { owns: () => true, open: () => {} }
const start = (): ReturnType<typeof install> => install({ authority: Authority.create(), target })

/** The modules again, as a second copy of the package would have them. */
async function secondCopy(): Promise<{ realm: typeof realm; install: typeof install; currentScope: () => Scope | undefined }> {
  vi.resetModules()
  const [{ realm: second, currentScope }, reroute] = await Promise.all([import('./realm.ts'), import('./reroute.ts')])
  expect(second).not.toBe(realm)
  return { realm: second, install: reroute.install, currentScope }
}

afterEach(() => {
  Reflect.deleteProperty(Socket, record)
  Reflect.deleteProperty(globalThis, record)
})

describe('a second copy of the package', () => {
  test('joins the first', async () => {
    const first = await start()
    const hook = Socket.prototype.connect
    const copy = await secondCopy()
    expect(copy.realm()).toBe(realm())
    const second = await copy.install({ authority: Authority.create(), target })
    expect(Socket.prototype.connect).toBe(hook)
    realm().scopes.run(new Scope('a test'), () => expect(copy.currentScope()?.name).toBe('a test'))
    await first.uninstall()
    expect(Socket.prototype.connect).toBe(hook)
    await second.uninstall()
    expectNothingLeft()
  })

  test('joins it from another global object too, as in a vm context', async () => {
    const first = await start()
    const known = realm()
    Reflect.deleteProperty(globalThis, record)
    const copy = await secondCopy()
    expect(copy.realm()).toBe(known)
    expect(Reflect.get(globalThis, record)).toBe(known)
    await first.uninstall()
    expectNothingLeft()
  })

  test('of another version fails, naming both', async () => {
    Reflect.set(Socket, record, { version: '99.0.0' })
    await expect(async () => start()).rejects.toThrow(
      expect.objectContaining({
        code: 'MIDWIRE_VERSION',
        message: expect.stringMatching(/@midwire\/proxy \d+\.\d+\.\d+\S* cannot work beside @midwire\/proxy 99\.0\.0/) as string,
      }),
    )
  })
})

test('what was placed twice goes when both are taken away, and only then', () => {
  const before = Socket.prototype.connect
  const [first, second] = [prepareCapture(), prepareCapture()]
  const hook = Socket.prototype.connect
  expect(hook).not.toBe(before)
  first()
  first()
  expect(Socket.prototype.connect).toBe(hook)
  second()
  expectNothingLeft()
})

test('installing and uninstalling many times leaves nothing', async () => {
  for (let i = 0; i < 20; i++) {
    const installations = await Promise.all([start(), start(), start()])
    await Promise.all(installations.map(installation => installation.uninstall()))
    expectNothingLeft()
  }
})

test('another library’s replacement on top of ours is left in place, and ours goes once it has gone', async () => {
  const before = Socket.prototype.connect
  const installed = await start()
  const ours = Socket.prototype.connect
  const theirs = vi.spyOn(Socket.prototype, 'connect')
  const above = Socket.prototype.connect
  await installed.uninstall()
  expect(Socket.prototype.connect).toBe(above)
  theirs.mockRestore()
  expect([before, ours]).toContain(Socket.prototype.connect)
  new Socket()
    .connect(1, '127.0.0.1')
    .on('error', () => {})
    .destroy()
  expectNothingLeft()
})
