import { randomBytes } from 'node:crypto'
import { startProxy } from '@midwire/proxy'
import type { ProxyEngine, SourceLine } from '@midwire/proxy'
import type { KeyPair } from '@midwire/proxy/authority'
import { readCallSite } from '@midwire/sdk'
import type { CallSite } from '@midwire/sdk'
import type { TestProject } from 'vitest/node'
import { Bridge } from './bridge.ts'
import { Door } from './door.ts'

/** What a page needs to find its proxy. */
export interface BrowserMode {
  readonly token: string
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Made by `midwire()`, in vitest's browser mode. */
    'midwire:browser': BrowserMode
  }
}

/** The part of vitest's provider for Playwright that tells how its contexts are made. */
interface Provider {
  readonly name: string
  options?: { readonly contextOptions?: object }
}

/**
 * Lets each browser context that vitest makes for this project go through a proxy of its own, which serves the test file that runs there.
 */
export async function prepareBrowserMode(project: TestProject, authority: KeyPair): Promise<void> {
  const { provider } = project.config.browser
  // In others, `useInterceptionProxy()` says what it needs.
  if (provider?.name !== 'playwright') return
  const token = randomBytes(18).toString('base64url')
  project.provide('midwire:browser', { token })
  // Passes on what no test file has asked for.
  const idle = await startProxy({ capture: false, authority, journalLimit: 0 })
  const contexts = new Contexts(project, { authority, token, idlePort: portOf(idle) })
  project.vitest.onClose(async () => {
    await contexts.close()
    await idle.close()
  })
  const make = provider.providerFactory.bind(provider)
  provider.providerFactory = of => {
    const made: Provider & ReturnType<typeof make> = make(of)
    const { options = {} } = made
    // Read anew for each context.
    made.options = {
      ...options,
      get contextOptions() {
        return { ...options.contextOptions, proxy: contexts.next() }
      },
    }
    return made
  }
}

interface ContextSettings {
  readonly authority: KeyPair
  readonly token: string
  readonly idlePort: number
}

class Contexts {
  readonly #project: TestProject
  readonly #settings: ContextSettings
  readonly #open: (Bridge | Door)[] = []
  readonly #lines = new Map<string, SourceLine>()

  constructor(project: TestProject, settings: ContextSettings) {
    this.#project = project
    this.#settings = settings
  }

  /** The proxy of one more context, in Playwright's words. */
  next(): { server: string; bypass: string } {
    const { authority, token, idlePort } = this.#settings
    let port: number | undefined
    const bridge = new Bridge({
      token,
      authority,
      locate: stack => this.#locate(stack),
      onLead: to => {
        // What was opened while nobody looked would stay unseen.
        if (port === undefined && to !== undefined) door.endAll()
        port = to
      },
    })
    const door = new Door({ onBridge: socket => bridge.take(socket), lead: () => port ?? idlePort })
    this.#open.push(bridge, door)
    return { server: door.url, bypass: ['<-loopback>', ...this.#ownHosts()].join(',') }
  }

  /** Where vitest serves the page itself. */
  #ownHosts(): string[] {
    const { vite, browser } = this.#project
    const address = (browser?.vite ?? vite).httpServer?.address()
    if (typeof address !== 'object' || !address) return []
    return ['localhost', '127.0.0.1', '[::1]'].map(host => `${host}:${address.port}`)
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map(each => each.close()))
  }

  #locate(stack: string): CallSite {
    const frames = stack.replace(/^\n/, '')
    // Source maps are slow to read: the caller is the first that is no code of Midwire's own.
    const nearest = frames.split('\n', 2).join('\n')
    const known = this.#lines.get(nearest)
    if (known) return { line: known, frames }
    const browser = this.#project.browser as { parseStacktrace?: (text: string) => ParsedFrame[] } | undefined
    const parsed = browser?.parseStacktrace?.(`Error: call\n${nearest}`) ?? []
    const { line } = readCallSite(
      parsed.map(each => `    at ${each.method || 'call'} (${each.file}:${each.line}:${each.column})`).join('\n'),
    )
    this.#lines.set(nearest, line)
    return { line, frames }
  }
}

function portOf({ url }: ProxyEngine): number {
  return Number(new URL(url).port)
}

interface ParsedFrame {
  readonly method: string
  readonly file: string
  readonly line: number
  readonly column: number
}
