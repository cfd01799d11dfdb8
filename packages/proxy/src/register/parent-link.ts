import { Socket } from 'node:net'
import { connectUpstream } from '../capture/nodes-connect.ts'
import type { FromChild, ToChild } from '../child/letters.ts'
import { LetterBox } from '../child/letter-box.ts'
import type { ParentAddress } from './parent-address.ts'

interface Current {
  readonly socket: Socket
  readonly box: LetterBox<FromChild, ToChild>
}

/** The connection for letters between this thread and its parent, made anew where it is needed and gone. */
export class ParentLink {
  readonly #parent: ParentAddress
  readonly #onLetter: (letter: ToChild) => void
  readonly #onEnd: () => void
  #current: Current | undefined
  #keepsAlive = false
  #warned = false

  /** `onEnd` is called when the parent does not answer, or does not any more. */
  constructor(parent: ParentAddress, onLetter: (letter: ToChild) => void, onEnd: () => void) {
    this.#parent = parent
    this.#onLetter = onLetter
    this.#onEnd = onEnd
  }

  send(letter: FromChild): void {
    const { box } = (this.#current ??= this.#connect())
    box.send(letter)
  }

  /** The same where there is a parent to tell. */
  sendIfOpen(letter: FromChild): void {
    this.#current?.box.send(letter)
  }

  /** Whether the process must not end before the next letter has come. */
  set keepsAlive(keepsAlive: boolean) {
    this.#keepsAlive = keepsAlive
    if (keepsAlive) this.#current?.socket.ref()
    else this.#current?.socket.unref()
  }

  #connect(): Current {
    const socket = new Socket()
    const box = new LetterBox<FromChild, ToChild>(socket, this.#onLetter)
    let connected = false
    socket.once('connect', () => {
      connected = true
    })
    socket.once('close', () => {
      this.#current = undefined
      if (!connected) this.#warn()
      this.#onEnd()
    })
    connectUpstream(socket, { host: '127.0.0.1', port: this.#parent.lettersPort, noDelay: true })
    if (!this.#keepsAlive) socket.unref()
    box.send({ kind: 'hello', token: this.#parent.token, pid: process.pid })
    return { socket, box }
  }

  #warn(): void {
    if (this.#warned) return
    this.#warned = true
    process.emitWarning(
      'the proxy that this process was started for has ended, so its connections are refused; end the process with the test that starts it',
      { code: 'MIDWIRE_CAPTURE', type: 'MidwireWarning' },
    )
  }
}
