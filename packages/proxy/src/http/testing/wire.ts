import { onTestFinished } from 'vitest'
import { type RawPeer, type RawServer, rawClient, rawServer } from '../../../test/raw-peer.ts'
import type { EngineFailure, ProxyEngine, ProxyOptions } from '../../engine.ts'
import type { Exchange, TrafficEvent } from '../../journal/traffic-event.ts'
import { startProxy } from '../../proxy.ts'
import type { OwnResponse, RequestAction, RequestFacts, RequestRule } from '../../rule/request-rule.ts'
import type { RuleRun } from '../../rule/rule-run.ts'

/** A raw client, a raw server, and the engine between them. */
export interface Wire {
  readonly client: RawPeer
  readonly server: RawServer
  readonly proxy: ProxyEngine
  readonly failures: readonly EngineFailure[]
  /** Another client for the same server. */
  connect(): Promise<RawPeer>
}

export async function wire(options: ProxyOptions = {}): Promise<Wire> {
  const server = await rawServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const failures: EngineFailure[] = []
  const proxy = await startProxy({ capture: false, onFailure: failure => failures.push(failure), ...options })
  onTestFinished(() => proxy.close())
  const { port } = new URL(proxy.urlFor(`http://127.0.0.1:${server.port}/`))
  const connect = (): Promise<RawPeer> => rawClient(Number(port))
  return { client: await connect(), server, proxy, failures, connect }
}

let line = 0

/** Declares a rule on requests, in the root scope. */
export function rule(
  proxy: ProxyEngine,
  action: RequestAction,
  more: Partial<RequestRule> & { when?: (facts: RequestFacts) => boolean } = {},
): RuleRun<RequestRule> {
  const { when = () => true, ...rest } = more
  return proxy.rules.add<RequestRule>({
    on: 'request',
    scope: proxy.root,
    at: { file: 'x.test.ts', line: ++line, column: 1 },
    start: 'onRequest',
    optional: false,
    match: { test: when, text: 'any' },
    needsBody: false,
    action,
    ...rest,
  })
}

export function own(status: number, body = '', headers: readonly string[] = []): OwnResponse {
  return { status, body: Buffer.from(body), headers }
}

export function exchanges(proxy: ProxyEngine): Exchange[] {
  return [...proxy.journal.read()].flatMap(event => (event.kind === 'request' ? [event.exchange] : []))
}

export function notes(proxy: ProxyEngine): string[] {
  return [...proxy.journal.read()].flatMap((event: TrafficEvent) => (event.kind === 'note' ? [event.text] : []))
}

/** Resolves once the journal shows what is asked for. */
export async function journalled<T>(proxy: ProxyEngine, find: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = find()
    if (found !== undefined && found !== false) return found
    await new Promise<void>(resolve => {
      const stop = proxy.journal.follow(() => {
        stop()
        resolve()
      })
    })
  }
}

/** The head of a GET, or of what `method` says, with these lines behind its Host. */
export function head(method: string, path: string, ...lines: readonly string[]): string {
  return `${[`${method} ${path} HTTP/1.1`, 'Host: a', ...lines].join('\r\n')}\r\n\r\n`
}
