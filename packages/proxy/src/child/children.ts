import type { EngineContext } from '../engine-context.ts'
import { MidwireError } from '../errors.ts'
import type { Scope } from '../scope.ts'
import { CertificateFiles } from './certificate-files.ts'
import { childEnv } from './child-env.ts'

/** What a child's environment may say besides. */
export interface EnvOptions {
  /** Hosts that its proxy clients reach directly, as `NO_PROXY` names them. @default none */
  readonly noProxy?: readonly string[]
}

/** What the engine needs for processes that others start. */
export class Children {
  readonly #engine: EngineContext
  readonly #proxyUrl: (scope: Scope) => string
  #files: CertificateFiles | undefined

  constructor(engine: EngineContext, proxyUrl: (scope: Scope) => string) {
    this.#engine = engine
    this.#proxyUrl = proxyUrl
  }

  /** @throws MidwireError MIDWIRE_BAD_INPUT on options that cannot be meant */
  env(scope: Scope, options: EnvOptions = {}): Record<string, string> {
    checkOptions(options)
    const { noProxy = [] } = options
    const { certificateFile, bundleFile } = (this.#files ??= new CertificateFiles(this.#engine.authority.certificate))
    return childEnv({ url: this.#proxyUrl(scope), certificateFile, bundleFile, noProxy })
  }

  close(): void {
    this.#files?.[Symbol.dispose]()
    this.#files = undefined
  }
}

function checkOptions(options: EnvOptions): void {
  for (const key of Object.keys(options)) {
    if (key !== 'noProxy') throw new MidwireError('MIDWIRE_BAD_INPUT', `env(): unknown option ${JSON.stringify(key)} — expected noProxy`)
  }
  const { noProxy = [] } = options
  if (!Array.isArray(noProxy) || !noProxy.every(host => typeof host === 'string' && /^[^\s,]+$/.test(host)))
    throw new MidwireError('MIDWIRE_BAD_INPUT', `env(): noProxy: ${JSON.stringify(noProxy)} — expected an array of host names`)
}
