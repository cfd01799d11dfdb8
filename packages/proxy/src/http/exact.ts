import { ClientRequest, type IncomingMessage, ServerResponse } from 'node:http'

/** A response whose head goes out exactly as it was given to `writeHead`. */
export class ExactResponse<R extends IncomingMessage = IncomingMessage> extends ServerResponse<R> {}

/** A request whose head goes out exactly as its flat header array says. */
export class ExactRequest extends ClientRequest {}

for (const { prototype } of [ExactResponse, ExactRequest]) {
  // Node adds Connection, Transfer-Encoding and Content-Length headers where it misses them, unless they were removed by name, and
  // remembers that in three fields that it sets in the constructor. A head that is relayed must go out as it came in: for these two
  // classes all three always count as removed. (Node's `_storeHeader` has read them under these names since version 8.)
  for (const field of ['_removedConnection', '_removedTE', '_removedContLen']) {
    Object.defineProperty(prototype, field, { get: () => true, set: () => {} })
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
