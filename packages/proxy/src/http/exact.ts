import { ClientRequest, type IncomingMessage, ServerResponse } from 'node:http'

/** What HTTP/1 has been called on the wire. */
export type HttpVersion = '1.0' | '1.1'

/** The version that Node says a message has; one that is newer than 1.1 is answered as 1.1 (RFC 9110 §2.5). */
export function versionOf(httpVersion: string): HttpVersion {
  return httpVersion === '1.0' ? '1.0' : '1.1'
}

/** A response whose head goes out exactly as it was given to `writeHead`. */
export class ExactResponse<R extends IncomingMessage = IncomingMessage> extends ServerResponse<R> {
  /** Of the status line (RFC 9112 §4). */
  version: HttpVersion = '1.1'
}

/** A request whose head goes out exactly as its flat header array says. */
export class ExactRequest extends ClientRequest {
  /** Of the request line (RFC 9112 §3). Node writes that in its constructor. */
  get version(): HttpVersion {
    return '1.1'
  }
}

/** The same for a client of HTTP/1.0, whose request must be answered for one. */
export class ExactRequest10 extends ExactRequest {
  override get version(): HttpVersion {
    return '1.0'
  }
}

for (const { prototype } of [ExactResponse, ExactRequest]) {
  // Node adds Connection, Transfer-Encoding and Content-Length headers where it misses them, unless they were removed by name, and
  // remembers that in three fields that it sets in the constructor. A head that is relayed must go out as it came in: for these two
  // classes all three always count as removed. (Node's `_storeHeader` has read them under these names since version 8.)
  for (const field of ['_removedConnection', '_removedTE', '_removedContLen']) {
    Object.defineProperty(prototype, field, { get: () => true, set: () => {} })
  }
  // Node writes 1.1 in every first line.
  const storeHeader: unknown = Reflect.get(prototype, '_storeHeader')
  if (typeof storeHeader === 'function') {
    Object.defineProperty(prototype, '_storeHeader', {
      value(this: ExactResponse | ExactRequest, firstLine: string, headers: unknown): unknown {
        return storeHeader.call(this, this.version === '1.0' ? inVersion10(firstLine) : firstLine, headers)
      },
    })
  }
  // Header values are bytes (RFC 9110 §5.5): a head that goes out before its body Node writes as UTF-8, and any other as Latin-1.
  const send: unknown = Reflect.get(prototype, '_send')
  if (typeof send !== 'function') continue
  Object.defineProperty(prototype, '_send', {
    value(data: unknown, encoding: unknown, ...rest: unknown[]): unknown {
      return send.call(this, data, data === '' ? 'latin1' : encoding, ...rest)
    },
  })
}

/** A request line ends with its version, a status line begins with it. */
function inVersion10(firstLine: string): string {
  return firstLine.replace(/^HTTP\/1\.1 | HTTP\/1\.1\r\n$/, version => version.replace('1.1', '1.0'))
}
