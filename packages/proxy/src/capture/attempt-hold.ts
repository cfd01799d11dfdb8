import type { Socket } from 'node:net'
import type { Hold } from './hold.ts'

interface ConnectRequest {
  oncomplete(status: number, handle: object, request: object, readable: boolean, writable: boolean): void
}
type NativeConnect = (request: ConnectRequest, address: string, port: number) => number

interface Handle {
  connect?: NativeConnect
  connect6?: NativeConnect
}

/** One attempt of a socket to reach an address, after its name was looked up. */
export interface Attempt {
  readonly hold: Hold
  readonly address: string
  readonly port: number
}

/**
 * Keeps a socket connecting at its handle, one attempt to reach an address at a time. For a socket that has come to Node's connect
 * without meeting our hook, which happens where another library replaced it first: the name has been looked up by then.
 */
export class AttemptHold implements Hold {
  readonly #client: Socket
  readonly #handle: Handle
  readonly #request: ConnectRequest

  private constructor(client: Socket, handle: Handle, request: ConnectRequest) {
    this.#client = client
    this.#handle = handle
    this.#request = request
  }

  /** Calls `onAttempt` in place of each attempt of a socket that is about to connect. */
  static watch(client: Socket, onAttempt: (attempt: Attempt) => void): void {
    const attempted = (_address: string, to: number | undefined): void => {
      const handle = handleOf(client)
      // An IPC path has no port.
      if (!handle || to === undefined) return
      const begin: NativeConnect = (request, address, port) => {
        delete handle.connect
        delete handle.connect6
        onAttempt({ hold: new AttemptHold(client, handle, request), address, port })
        return 0
      }
      handle.connect = begin
      handle.connect6 = begin
    }
    client.prependListener('connectionAttempt', attempted)
    client.once('connect', () => client.off('connectionAttempt', attempted))
  }

  get over(): boolean {
    return handleOf(this.#client) !== this.#handle
  }

  toLoopback(port: number): void {
    const status = this.#handle.connect?.(this.#request, '127.0.0.1', port) ?? 0
    if (status !== 0) this.#complete(status)
  }

  fail(error: Error): void {
    const status: unknown = Reflect.get(error, 'errno')
    if (typeof status === 'number' && Reflect.get(error, 'syscall') === 'connect') this.#complete(status)
    else this.#client.destroy(error)
  }

  /** Node makes the error, or goes on to the next address. */
  #complete(status: number): void {
    process.nextTick(() => {
      if (!this.over && !this.#client.destroyed) this.#request.oncomplete(status, this.#handle, this.#request, false, false)
    })
  }
}

function handleOf(client: Socket): Handle | undefined {
  const handle: unknown = Reflect.get(client, '_handle')
  return typeof handle === 'object' && handle !== null ? handle : undefined
}
