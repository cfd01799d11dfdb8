// The thread in which the proxy of one browser context runs.
import { parentPort, workerData } from 'node:worker_threads'
import type { KeyPair } from '@midwire/proxy/authority'
import type { EngineToBridge } from './bridge-message.ts'
import { EngineLink } from './engine-link.ts'
import { PageProxy } from './page-proxy.ts'

/** What the thread is started with. */
export interface EngineThreadData {
  readonly signal: Int32Array
  readonly authority: KeyPair | undefined
}

const port = parentPort
if (!port) throw new Error('this file runs in a thread of its own')
const { signal, authority } = workerData as EngineThreadData
const lead = (to: number | undefined): void => port.postMessage({ kind: 'lead', port: to } satisfies EngineToBridge)
const proxy: PageProxy = new PageProxy(authority, lead, () => link.left)
const link: EngineLink = new EngineLink(port, signal, proxy)
