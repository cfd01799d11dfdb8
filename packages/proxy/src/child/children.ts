import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { Inbound } from '../capture/inbound.ts'
import type { EngineContext } from '../engine-context.ts'
import { MidwireError } from '../errors.ts'
import { parentVariables } from '../register/parent-address.ts'
import type { Scope } from '../scope.ts'
import { CertificateFiles } from './certificate-files.ts'
import { ChildDoor } from './child-door.ts'
import { childEnv } from './child-env.ts'
import { whyNoChild } from './child-process.ts'

/** What a child's environment may say besides. */
export interface EnvOptions {
  /** Hosts that its proxy clients reach directly, as `NO_PROXY` names them. @default none */
  readonly noProxy?: readonly string[]
  /**
   * `false` tells children on Node of the HTTP proxy alone, as all others; `true` takes each of their connections in below their clients.
   * @default true
   */
  readonly register?: boolean
}

/** What the engine has for processes that others start. */
export class Children {
  readonly #engine: EngineContext & { open(inbound: Inbound): void }
  readonly #proxyUrl: (scope: Scope) => string
  readonly #seen = new Set<number>()
  readonly #claims = new Map<number, Scope>()
  #files: CertificateFiles | undefined
  #door: ChildDoor | undefined

  constructor(engine: EngineContext & { open(inbound: Inbound): void }, proxyUrl: (scope: Scope) => string) {
    this.#engine = engine
    this.#proxyUrl = proxyUrl
  }

  /** @throws MidwireError MIDWIRE_BAD_INPUT on options that cannot be meant */
  env(scope: Scope, options: EnvOptions = {}): Record<string, string> {
    checkOptions(options)
    const { noProxy = [], register = true } = options
    const { certificateFile, bundleFile } = (this.#files ??= new CertificateFiles(this.#engine.authority.certificate))
    return childEnv({
      url: this.#proxyUrl(scope),
      certificateFile,
      bundleFile,
      noProxy,
      register: register ? { url: registerUrl(), variables: this.#parentVariables(scope, certificateFile) } : undefined,
    })
  }

  /** @throws MidwireError MIDWIRE_CAPTURE unless a process on Node that was started with an environment of this proxy's, and lives */
  claim(pid: number, scope: Scope): Disposable {
    const obstacle = this.#seen.has(pid) ? undefined : whyNoChild(pid, token => this.#engine.credentials.scopeOf(token) !== undefined)
    if (obstacle !== undefined)
      throw new MidwireError(
        'MIDWIRE_CAPTURE',
        `${obstacle}; start it with the variables of env(), which make Node load @midwire/proxy/register`,
      )
    const holder = this.#claims.get(pid)
    if (holder && !holder.ended)
      throw new MidwireError('MIDWIRE_BAD_USE', `process ${pid} belongs to "${holder.name}"; it can be another's once that has ended`)
    this.#claims.set(pid, scope)
    return {
      [Symbol.dispose]: () => {
        if (this.#claims.get(pid) === scope) this.#claims.delete(pid)
      },
    }
  }

  close(): void {
    this.#door?.[Symbol.dispose]()
    this.#files?.[Symbol.dispose]()
    this.#door = this.#files = undefined
  }

  #parentVariables(scope: Scope, certificateFile: string): Record<string, string> {
    const { credentials } = this.#engine
    this.#door ??= new ChildDoor({
      scopeOf: ({ token, pid }) => {
        const scope = credentials.scopeOf(token)
        if (scope) this.#seen.add(pid)
        return scope && (this.#claims.get(pid) ?? scope)
      },
      open: inbound => this.#engine.open(inbound),
    })
    const [lettersPort, landingPort] = this.#door.ports
    return parentVariables({ lettersPort, landingPort, token: credentials.usernameOf(scope), certificateFile })
  }
}

/** Of this very copy of the package, so that the two ends understand each other. */
function registerUrl(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve('@midwire/proxy/register')).href
}

function checkOptions(options: EnvOptions): void {
  const bad = (text: string): never => {
    throw new MidwireError('MIDWIRE_BAD_INPUT', `env(): ${text}`)
  }
  for (const key of Object.keys(options)) {
    if (key !== 'noProxy' && key !== 'register') bad(`unknown option ${JSON.stringify(key)} — expected noProxy or register`)
  }
  const { noProxy = [], register = true } = options
  if (typeof register !== 'boolean') bad(`register: ${JSON.stringify(register)} — expected true or false`)
  if (!Array.isArray(noProxy) || !noProxy.every(host => typeof host === 'string' && /^[^\s,]+$/.test(host)))
    bad(`noProxy: ${JSON.stringify(noProxy)} — expected an array of host names`)
}
