import * as http from 'node:http'
import * as https from 'node:https'
import type { LookupFunction } from 'node:net'
import { connect as netConnect, isIP } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import * as undici from 'undici'
import { WebSocket as Ws } from 'ws'

/** What a client under test is told, in the words of `net.connect` and `tls.connect`. */
export interface ClientOptions {
  readonly lookup?: LookupFunction
  readonly ca?: string | string[]
  readonly cert?: string
  readonly key?: string
  readonly rejectUnauthorized?: boolean
  readonly family?: number
  readonly autoSelectFamily?: boolean
  /** ms until the next address is tried. */
  readonly autoSelectFamilyAttemptTimeout?: number
  /** ms until the client gives up connecting, by whatever means of its own. */
  readonly timeout?: number
}

/** One of the clients that must work unmodified. */
export interface Client {
  readonly name: string
  /** Sends a request, or a WebSocket message, and resolves with the answer. `origin` is http(s)://host:port. */
  ask(origin: string, options?: ClientOptions): Promise<string>
  /** False where a client can be given no connect options. */
  readonly takesOptions: boolean
}

function get(module: typeof http | typeof https, url: string, options: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = module.get(url, options, response => text(response).then(resolve, reject)).on('error', reject)
    request.on('timeout', () => request.destroy(new Error('timed out')))
  })
}

async function text(chunks: AsyncIterable<Buffer>): Promise<string> {
  let all = ''
  for await (const chunk of chunks) all += chunk.toString()
  return all
}

/** Any of the WebSockets with the browser's interface. */
interface BrowserSocket extends EventTarget {
  send(text: string): void
  close(): void
}

function echo(socket: BrowserSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => socket.send('hello'))
    socket.addEventListener('message', event => {
      resolve(`echo of ${String(Reflect.get(event, 'data'))}`)
      socket.close()
    })
    socket.addEventListener('error', event => reject(Reflect.get(event, 'error') ?? event))
  })
}

const wsUrl = (origin: string): string => origin.replace(/^http/, 'ws')
const isTls = (origin: string): boolean => origin.startsWith('https:')

async function withAgent(options: ClientOptions, use: (dispatcher: undici.Agent) => Promise<string>): Promise<string> {
  const dispatcher = new undici.Agent({ connect: { ...options } as undici.buildConnector.BuildOptions })
  try {
    return await use(dispatcher)
  } finally {
    await dispatcher.destroy()
  }
}

/** Speaks HTTP by hand over the socket that `connect` makes. */
function askRaw(origin: string, connect: (host: string, port: number) => ReturnType<typeof netConnect>): Promise<string> {
  const { hostname, port } = new URL(origin)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket = connect(host, Number(port))
    let all = ''
    socket.setEncoding('utf8').on('error', reject)
    socket.on('close', () => reject(new Error('closed without an answer')))
    socket.on('timeout', () => socket.destroy(new Error('timed out')))
    socket.on('data', (chunk: string) => {
      all += chunk
      const body = /\r\n\r\n([^]*)/.exec(all)?.[1]
      if (!body) return
      resolve(body)
      socket.destroy()
    })
    socket.write(`GET /raw HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  })
}

export const clients: readonly Client[] = [
  {
    name: 'fetch',
    takesOptions: false,
    ask: async origin => (await fetch(`${origin}/fetch`, { headers: { connection: 'close' } })).text(),
  },
  {
    name: 'undici fetch',
    takesOptions: true,
    ask: (origin, options = {}) =>
      withAgent(options, async dispatcher => (await undici.fetch(`${origin}/undici-fetch`, { dispatcher })).text()),
  },
  {
    name: 'undici request',
    takesOptions: true,
    ask: (origin, options = {}) =>
      withAgent(options, async dispatcher => (await undici.request(`${origin}/undici-request`, { dispatcher })).body.text()),
  },
  {
    name: 'undici Pool',
    takesOptions: true,
    ask: async (origin, options = {}) => {
      const pool = new undici.Pool(origin, { connect: { ...options } as undici.buildConnector.BuildOptions })
      try {
        return await (await pool.request({ path: '/pool', method: 'GET' })).body.text()
      } finally {
        await pool.destroy()
      }
    },
  },
  {
    name: 'http and https',
    takesOptions: true,
    ask: (origin, options = {}) => get(isTls(origin) ? https : http, `${origin}/get`, { agent: false, ...options }),
  },
  {
    name: 'http and https with an agent',
    takesOptions: true,
    ask: async (origin, options = {}) => {
      const agent = isTls(origin) ? new https.Agent({ keepAlive: true, ...options }) : new http.Agent({ keepAlive: true, ...options })
      try {
        return await get(isTls(origin) ? https : http, `${origin}/agent`, { agent })
      } finally {
        agent.destroy()
      }
    },
  },
  {
    name: 'ws',
    takesOptions: true,
    ask: (origin, options = {}) =>
      echo(new Ws(wsUrl(origin), { ...options, handshakeTimeout: options.timeout }) as unknown as BrowserSocket),
  },
  { name: 'WebSocket', takesOptions: false, ask: origin => echo(new WebSocket(wsUrl(origin))) },
  {
    name: "undici's WebSocket",
    takesOptions: true,
    ask: (origin, options = {}) => withAgent(options, dispatcher => echo(new undici.WebSocket(wsUrl(origin), { dispatcher }))),
  },
  {
    name: 'net and tls, imported by name',
    takesOptions: true,
    ask: (origin, options = {}) =>
      askRaw(origin, (host, port) =>
        isTls(origin) ? tlsConnect({ ...options, host, port, ...serverName(host) }) : netConnect({ ...options, host, port }),
      ),
  },
  {
    name: "tls over the client's own socket",
    takesOptions: true,
    ask: (origin, { lookup, family, autoSelectFamily, autoSelectFamilyAttemptTimeout, timeout, ...secure } = {}) =>
      askRaw(origin, (host, port) => {
        const socket = netConnect({
          host,
          port,
          ...(lookup && { lookup }),
          ...(family && { family }),
          ...(timeout && { timeout }),
          ...(autoSelectFamily !== undefined && { autoSelectFamily }),
          ...(autoSelectFamilyAttemptTimeout && { autoSelectFamilyAttemptTimeout }),
        })
        socket.on('timeout', () => socket.destroy(new Error('timed out')))
        return isTls(origin) ? tlsConnect({ ...secure, socket, ...serverName(host) }) : socket
      }),
  },
]

/** RFC 6066 §3: "Literal IPv4 and IPv6 addresses are not permitted". */
function serverName(host: string): { servername?: string } {
  return isIP(host) ? {} : { servername: host }
}
