import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { KeyPair } from '@midwire/proxy/authority'
import type { CallSite } from '@midwire/sdk'
import type { BridgeToEngine, EngineToBridge } from './bridge-message.ts'
import type { EngineThreadData } from './engine-thread.ts'
import type { WireNews, WireRequest } from './wire-value.ts'

/** Longest that a page's request for news is kept open, in ms. */
const patience = 20_000

export interface BridgeOptions {
  /** Part of every path: pages of others do not know it. */
  readonly token: string
  readonly authority: KeyPair
  /** The line of a test that a stack printed by the browser leads to. */
  readonly locate: (stack: string) => CallSite
  readonly onLead: (port: number | undefined) => void
}

/** Serves what a page asks of its proxy, which runs in a thread of its own. */
export class Bridge {
  readonly #options: BridgeOptions
  readonly #server: Server
  readonly #signal = new Int32Array(new SharedArrayBuffer(4))
  /** What the page has not said yet that it has got. */
  #news: WireNews[] = []
  #told = 0
  #worker: Worker | undefined
  /** The page's call, which stands still until it is answered. */
  #call: ServerResponse | undefined
  #poll: { readonly response: ServerResponse; readonly timer: NodeJS.Timeout } | undefined

  constructor(options: BridgeOptions) {
    this.#options = options
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.keepAliveTimeout = 60_000
  }

  /** Takes a connection on which a page asks. */
  take(socket: Socket): void {
    this.#server.emit('connection', socket)
  }

  async close(): Promise<void> {
    this.#endPoll()
    this.#server.closeAllConnections()
    await this.#worker?.terminate()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://bridge')
    response.setHeader('access-control-allow-origin', request.headers.origin ?? '*')
    response.setHeader('cache-control', 'no-store')
    switch (pathname) {
      case `/${this.#options.token}/call`:
        return this.#takeCall(JSON.parse(await textOf(request)) as WireRequest, response)
      case `/${this.#options.token}/news`:
        return this.#takePoll(response, Number(searchParams.get('got')))
      default:
        response.writeHead(404).end()
    }
  }

  #takeCall(request: WireRequest, response: ServerResponse): void {
    if (request.kind === 'begin') this.#forget()
    this.#call = response
    const site = request.kind === 'call' && request.of !== 0 ? this.#options.locate(request.stack) : undefined
    this.#post({ kind: 'request', request, site })
  }

  /** Another page, or another file in it: nothing is left to tell to the one before. */
  #forget(): void {
    clearTimeout(this.#poll?.timer)
    this.#poll = undefined
    this.#news = []
    this.#told = 0
  }

  #takePoll(response: ServerResponse, got: number): void {
    this.#endPoll()
    this.#news.splice(0, Math.max(0, got - this.#told))
    this.#told = Math.max(this.#told, got)
    const poll = { response, timer: setTimeout(() => this.#endPoll(), patience) }
    this.#poll = poll
    response.once('close', () => {
      if (this.#poll !== poll) return
      clearTimeout(poll.timer)
      this.#poll = undefined
      // A page asks again at once: one that is there has the next request open, or a call.
      this.#post({ kind: 'gone' })
    })
    if (this.#news.length > 0) this.#endPoll()
  }

  #endPoll(): void {
    const poll = this.#poll
    this.#poll = undefined
    if (!poll) return
    clearTimeout(poll.timer)
    poll.response.end(JSON.stringify(this.#news))
  }

  #post(message: BridgeToEngine): void {
    const worker = (this.#worker ??= this.#start())
    worker.postMessage(message)
    Atomics.add(this.#signal, 0, 1)
    Atomics.notify(this.#signal, 0)
  }

  #start(): Worker {
    const data: EngineThreadData = { signal: this.#signal, authority: this.#options.authority }
    const worker = new Worker(new URL(import.meta.resolve('@midwire/vitest-plugin/engine-thread')), { workerData: data })
    worker.on('message', (message: EngineToBridge) => this.#take(message))
    worker.on('error', error => {
      this.#call?.writeHead(500).end(String(error.stack))
      this.#worker = undefined
    })
    worker.unref()
    return worker
  }

  #take(message: EngineToBridge): void {
    switch (message.kind) {
      case 'lead':
        return this.#options.onLead(message.port)
      case 'news':
        this.#news.push(message.news)
        return this.#endPoll()
      case 'reply': {
        const call = this.#call
        this.#call = undefined
        call?.end(JSON.stringify(message.reply))
      }
    }
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  return text
}
