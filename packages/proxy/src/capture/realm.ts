import { AsyncLocalStorage } from 'node:async_hooks'
import { Socket } from 'node:net'
import { MidwireError } from '../errors.ts'
import type { Scope } from '../scope.ts'
import { Capture } from './capture.ts'
import { version } from './version.ts'

/** What all copies of this package in one thread share. */
export interface Realm {
  readonly version: string
  /** The scope of the code that runs. */
  readonly scopes: AsyncLocalStorage<Scope | undefined>
  readonly capture: Capture
}

const REALM: unique symbol = Symbol.for('midwire.v1')

/**
 * The record of this thread, made if there is none. It stands on `net.Socket`, which vitest's vm contexts share though each has a
 * `globalThis` of its own, and on `globalThis`, where it can be found.
 * @throws MidwireError MIDWIRE_VERSION if another version of the package made it
 */
export function realm(): Realm {
  const found = Object.getOwnPropertyDescriptor(Socket, REALM)?.value as Realm | undefined
  if (found && found.version !== version) {
    throw new MidwireError(
      'MIDWIRE_VERSION',
      `@midwire/proxy ${version} cannot work beside @midwire/proxy ${found.version}, which is in use in this thread; install one version of it`,
    )
  }
  const record = found ?? make()
  keep(globalThis, record)
  return record
}

/** The scope of the code that runs, without making a record. */
export function currentScope(): Scope | undefined {
  return (Object.getOwnPropertyDescriptor(Socket, REALM)?.value as Realm | undefined)?.scopes.getStore()
}

function make(): Realm {
  const scopes = new AsyncLocalStorage<Scope | undefined>()
  const record: Realm = { version, scopes, capture: new Capture(scopes, () => forget(record)) }
  keep(Socket, record)
  return record
}

function keep(owner: object, record: Realm): void {
  Object.defineProperty(owner, REALM, { value: record, configurable: true, enumerable: false, writable: true })
}

function forget(record: Realm): void {
  for (const owner of [Socket, globalThis]) if (Reflect.get(owner, REALM) === record) Reflect.deleteProperty(owner, REALM)
}
