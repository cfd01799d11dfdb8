import type { Socket } from 'node:net'

/** Letters over a socket, one a line, in JSON; bytes among them keep being bytes. */
export class LetterBox<Out, In> {
  readonly #socket: Socket
  readonly #onLetter: (letter: In) => void
  #rest = ''

  /** `onLetter` is called for each that comes; one that cannot be read ends the connection. */
  constructor(socket: Socket, onLetter: (letter: In) => void) {
    this.#socket = socket
    this.#onLetter = onLetter
    socket.setEncoding('utf8')
    socket.on('error', () => {
      // 'close' follows.
    })
    socket.on('data', (text: string) => this.#read(text))
    socket.on('end', () => socket.destroy())
  }

  send(letter: Out): void {
    if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify(letter, bytesToText)}\n`)
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (this.#socket.destroyed) return
      try {
        this.#onLetter(JSON.parse(line, textToBytes) as In)
      } catch (error) {
        this.#socket.destroy(error as Error)
      }
    }
  }
}

const mark = 'midwire:base64:'

function bytesToText(this: unknown, key: string, value: unknown): unknown {
  // A Buffer has been taken apart by its toJSON().
  const raw: unknown = Reflect.get(this as object, key)
  return raw instanceof Uint8Array ? `${mark}${Buffer.from(raw).toString('base64')}` : value
}

function textToBytes(_key: string, value: unknown): unknown {
  return typeof value === 'string' && value.startsWith(mark) ? Buffer.from(value.slice(mark.length), 'base64') : value
}
