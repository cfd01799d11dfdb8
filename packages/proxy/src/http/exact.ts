import { ClientRequest, type IncomingMessage, ServerResponse } from 'node:http'

// Node adds Connection, Transfer-Encoding and Content-Length headers where it misses them, unless they were removed by name, and
// remembers that in three fields that it sets in the constructor. A head that is relayed must go out as it came in: for these two
// classes all three always count as removed. (Node's `_storeHeader` has read them under these names since version 8.)

/** A response whose head goes out exactly as it was given to `writeHead`. */
export class ExactResponse<R extends IncomingMessage = IncomingMessage> extends ServerResponse<R> {
  /** Header values are bytes (RFC 9110 §5.5): Node's own writes them as UTF-8 here, and as Latin-1 everywhere else. */
  override flushHeaders(): void {
    const send: unknown = Reflect.get(this, '_send')
    if (typeof send === 'function' && this.headersSent) send.call(this, '', 'latin1')
    else super.flushHeaders()
  }
}

/** A request whose head goes out exactly as its flat header array says. */
export class ExactRequest extends ClientRequest {}

for (const { prototype } of [ExactResponse, ExactRequest]) {
  for (const field of ['_removedConnection', '_removedTE', '_removedContLen']) {
    Object.defineProperty(prototype, field, { get: () => true, set: () => {} })
  }
}
