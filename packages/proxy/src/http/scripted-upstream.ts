import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import type * as Ws from 'ws'
import { Leg } from '../io/leg.ts'

const require = createRequire(import.meta.url)

/**
 * A server in memory that says its first messages and nothing more; it answers pings and close frames as any server does. It stands
 * where upstream would, so that all that comes after is the same as with a real one.
 */
export class ScriptedUpstream {
  readonly #server: Server
  #sockets: Ws.WebSocketServer | undefined
  readonly #scripts = new WeakMap<object, () => readonly (string | Uint8Array)[]>()

  constructor() {
    this.#server = createServer()
    this.#server.on('upgrade', (request, socket, head) => {
      this.#webSockets().handleUpgrade(request, socket, head, opened => {
        opened.on('error', () => {
          // What a client breaks is relayed to it as the close frame that follows.
        })
        for (const message of this.#scripts.get(socket)?.() ?? []) opened.send(message)
      })
    })
  }

  /** An upstream leg whose server will say these messages once its handshake is done. */
  open(firstMessages: () => readonly (string | Uint8Array)[]): Leg {
    const [near, far] = duplexPair()
    // What a socket has and a stream in memory lacks; there is no RST to send here.
    Object.assign(near, { resetAndDestroy: () => near.destroy() })
    this.#scripts.set(far, firstMessages)
    this.#server.emit('connection', far)
    return new Leg(near as unknown as Socket)
  }

  /** Loading `ws` takes about a third of what the whole package takes, and few tests script a server. */
  #webSockets(): Ws.WebSocketServer {
    if (this.#sockets) return this.#sockets
    const ws = require('ws') as typeof Ws
    return (this.#sockets = new ws.WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 0 }))
  }
}
