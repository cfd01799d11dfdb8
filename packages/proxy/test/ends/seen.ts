import * as http from 'node:http'
import * as https from 'node:https'
import { connect as netConnect, isIP } from 'node:net'
import type { LookupFunction, Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { request } from 'undici'
import { WebSocket as Ws } from 'ws'
import { describeError } from '../../src/capture/testing/describe-error.ts'

export interface Asked {
  /** http(s)://host:port */
  readonly origin: string
  readonly lookup?: LookupFunction | undefined
  /** What a WebSocket says once it is open. @default nothing */
  readonly says?: string
  /** ms until a client gives up, where it can be told. */
  readonly patience?: number | undefined
}

/** All that a program can see of one connection, in order: events with their names, and what they carry. */
export type Seen = readonly unknown[]

/** A client that says what it has seen. */
export interface Observer {
  readonly name: string
  /** False where it can be given neither a lookup nor a timeout. */
  readonly takesOptions: boolean
  readonly speaks: 'http' | 'websocket' | 'bytes'
  see(asked: Asked): Promise<Seen>
}

const wsUrl = (origin: string): string => origin.replace(/^http/, 'ws')
const isTls = (origin: string): boolean => origin.startsWith('https:')

/** Notes every event until the last one. */
function follow(
  emitter: { on(name: string, listener: (...args: unknown[]) => void): unknown },
  names: readonly string[],
  last: string,
  seen: unknown[],
): Promise<void> {
  return new Promise(resolve => {
    for (const name of names) {
      emitter.on(name, (...args) => {
        seen.push([name, ...args.map(describe)])
        if (name === last) resolve()
      })
    }
  })
}

function describe(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString()
  if (typeof value === 'function' || (typeof value === 'object' && value !== null && !(value instanceof Error))) return '…'
  return describeError(value)
}

/** False for the WebSocket of Node 22, whose last event is the error where it never opened. */
export const closesWithoutOpening = Number(process.versions['undici']?.split('.')[0]) >= 7

const steps = ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout']

async function followSocket(socket: Socket, { patience }: Asked): Promise<Seen> {
  const seen: unknown[] = []
  const over = follow(socket, [...steps, 'connect', 'secureConnect', 'timeout', 'end', 'error', 'close'], 'close', seen)
  socket.resume().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  if (patience !== undefined) socket.setTimeout(patience, () => socket.destroy())
  await over
  return seen
}

export const observers: readonly Observer[] = [
  {
    name: 'ws',
    takesOptions: true,
    speaks: 'websocket',
    async see({ origin, lookup, patience, says }) {
      const seen: unknown[] = []
      const socket = new Ws(wsUrl(origin), { ...(lookup && { lookup }), ...(patience !== undefined && { handshakeTimeout: patience }) })
      if (says !== undefined) socket.on('open', () => socket.send(says))
      await follow(socket, ['open', 'message', 'error', 'close'], 'close', seen)
      return seen
    },
  },
  {
    name: 'WebSocket',
    takesOptions: false,
    speaks: 'websocket',
    async see({ origin, says }) {
      const seen: unknown[] = []
      const socket = new WebSocket(wsUrl(origin))
      await new Promise<void>(resolve => {
        socket.addEventListener('open', () => {
          seen.push('open')
          if (says !== undefined) socket.send(says)
        })
        socket.addEventListener('error', event => {
          seen.push(['error', describeError(Reflect.get(event, 'error')), Reflect.get(event, 'message')])
          if (!closesWithoutOpening && !seen.includes('open')) resolve()
        })
        socket.addEventListener('close', ({ code, reason, wasClean }) => {
          seen.push(['close', code, reason, wasClean])
          resolve()
        })
      })
      return seen
    },
  },
  {
    name: 'fetch',
    takesOptions: false,
    speaks: 'http',
    see: ({ origin }) => outcome(async () => (await fetch(origin)).text()),
  },
  {
    name: 'undici',
    takesOptions: false,
    speaks: 'http',
    see: ({ origin }) => outcome(async () => (await request(origin)).body.text()),
  },
  {
    name: 'http and https',
    takesOptions: true,
    speaks: 'http',
    async see({ origin, lookup, patience }) {
      const seen: unknown[] = []
      const options = { agent: false, ...(lookup && { lookup }), ...(patience !== undefined && { timeout: patience }) } as const
      const asked = (isTls(origin) ? https : http).get(origin, options)
      asked.on('timeout', () => asked.destroy())
      await follow(asked, ['response', 'timeout', 'error', 'close'], 'close', seen)
      return seen
    },
  },
  {
    name: 'net and tls',
    takesOptions: true,
    speaks: 'bytes',
    see(asked) {
      const { hostname: host, port } = new URL(asked.origin)
      const options = { host, port: Number(port), ...(asked.lookup && { lookup: asked.lookup }) }
      return followSocket(isTls(asked.origin) ? tlsConnect({ ...options, ...serverName(host) }) : netConnect(options), asked)
    },
  },
]

async function outcome(ask: () => Promise<string>): Promise<Seen> {
  return [
    await ask().then(
      answer => ['answer', answer],
      (error: unknown) => ['rejected', describeError(error)],
    ),
  ]
}

/** RFC 6066 §3: "Literal IPv4 and IPv6 addresses are not permitted". */
function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {}
}
