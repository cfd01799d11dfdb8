import type { Codec } from '@midwire/proxy'
import { cutMessages } from './cut-messages.ts'
import type { StompFrame } from './stomp-frame.ts'
import { utf8 } from './utf8.ts'

export type * from './stomp-frame.ts'

const lf = 0x0a
const cr = 0x0d
const nul = 0x00

/** STOMP 1.2, and 1.0 and 1.1 as far as they do not differ. A WebSocket message may carry several frames, or a part of one. */
export function stomp(): Codec<StompFrame> {
  return {
    name: 'stomp',
    decode: bytes => cutMessages(bytes, { sizeAt, read }),
    encode: write,
  }
}

/** An end of line between frames is a heart-beat; a frame ends with NUL. */
function sizeAt(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] === lf) return 1
  if (bytes[at] === cr) return at + 1 < bytes.length ? 2 : undefined
  if (!isCapital(bytes[at])) throw new TypeError('no frame begins like that')
  const body = bodyAt(bytes, at)
  if (body === undefined) return undefined
  const length = contentLength(bytes.subarray(at, body))
  const end = length === undefined ? bytes.indexOf(nul, body) : body + length
  return end < 0 || end >= bytes.length ? undefined : end + 1 - at
}

function isCapital(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x41 && byte <= 0x5a
}

/** Where the empty line behind the headers ends. */
function bodyAt(bytes: Uint8Array, at: number): number | undefined {
  for (let end = bytes.indexOf(lf, at); end >= 0; end = bytes.indexOf(lf, end + 1)) {
    if (bytes[end + 1] === lf) return end + 2
    if (bytes[end + 1] === cr && bytes[end + 2] === lf) return end + 3
  }
  return undefined
}

function contentLength(head: Uint8Array): number | undefined {
  const value = /\ncontent-length:\s*(\d+)\r?\n/.exec(Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1'))?.[1]
  return value === undefined ? undefined : Number(value)
}

function read(own: Uint8Array): StompFrame {
  if (own[0] === lf || own[0] === cr) return { command: 'heart-beat' }
  const start = bodyAt(own, 0) ?? own.length
  if (own.at(-1) !== nul) throw new TypeError('no NUL behind the length that content-length says')
  const [command = '', ...lines] = utf8(own.subarray(0, start))
    .replace(/(?:\r?\n){2}$/, '')
    .split(/\r?\n/)
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon < 0) throw new TypeError(`a header without a colon: ${JSON.stringify(line)}`)
    const name = unescaped(command, line.slice(0, colon))
    // "If a client or a server receives repeated frame header entries, only the first header entry SHOULD be used"
    if (!Object.hasOwn(headers, name)) headers[name] = unescaped(command, line.slice(colon + 1))
  }
  return { command, headers, body: bodyOf(own.subarray(start, -1)) } as StompFrame
}

/** Text where it is UTF-8. */
function bodyOf(bytes: Uint8Array): string | Uint8Array {
  try {
    return utf8(bytes)
  } catch {
    return bytes
  }
}

function write(frame: StompFrame): string | Uint8Array {
  if (frame.command === 'heart-beat') return '\n'
  const { command, body = '' } = frame
  if (!/^[A-Z]+$/.test(command)) throw new TypeError(`no command of a frame: ${JSON.stringify(command)}`)
  const bytes = Buffer.from(body)
  const headers: Record<string, string | undefined> = { ...frame.headers }
  // Without it, a NUL would end the body.
  if (headers['content-length'] !== undefined || bytes.includes(nul)) headers['content-length'] = String(bytes.length)
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [`${escaped(command, name)}:${escaped(command, value)}\n`],
  )
  const head = `${command}\n${lines.join('')}\n`
  return typeof body === 'string' ? `${head}${body}\0` : Buffer.concat([Buffer.from(head), bytes, Uint8Array.of(nul)])
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\r': '\\r', '\n': '\\n', ':': '\\c' }
const meanings: Readonly<Record<string, string>> = { '\\\\': '\\', '\\r': '\r', '\\n': '\n', '\\c': ':' }

/** "except the CONNECT and CONNECTED frames": those stay as STOMP 1.0 wrote them. */
function isPlain(command: string): boolean {
  return command === 'CONNECT' || command === 'CONNECTED'
}

function escaped(command: string, text: string): string {
  return isPlain(command) ? text : text.replace(/[\\\r\n:]/g, found => escapes[found] ?? found)
}

function unescaped(command: string, text: string): string {
  return isPlain(command) ? text : text.replace(/\\[\\rnc]/g, found => meanings[found] ?? found)
}
