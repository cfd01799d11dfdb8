import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { replacingVariables } from './child-env.ts'

/** Where systems keep the roots they trust, in one file. */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const

/** The authority's certificate in files, for programs that take nothing else; in a folder that is this user's alone. */
export class CertificateFiles implements Disposable {
  readonly #folder: string
  readonly certificateFile: string
  readonly bundleFile: string

  constructor(certificate: string, env: NodeJS.ProcessEnv = process.env) {
    this.#folder = mkdtempSync(join(tmpdir(), 'midwire-'))
    process.on('exit', this.#remove)
    this.certificateFile = this.#write('ca.pem', [...certificatesIn(env['NODE_EXTRA_CA_CERTS']), certificate])
    this.bundleFile = this.#write('bundle.pem', [...trustedBy(env), certificate])
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#remove)
    this.#remove()
  }

  #write(name: string, certificates: readonly string[]): string {
    const path = join(this.#folder, name)
    const unique = new Map(certificates.map(certificate => [certificate.replace(/\s/g, ''), certificate.trim()]))
    writeFileSync(path, `${[...unique.values()].join('\n')}\n`, { mode: 0o600 })
    return path
  }

  readonly #remove = (): void => rmSync(this.#folder, { recursive: true, force: true })
}

/** What programs of this environment would trust: the system's roots, and what they were told to trust in their place. */
function trustedBy(env: NodeJS.ProcessEnv): string[] {
  const told = [...new Set(replacingVariables.map(name => env[name]))].flatMap(certificatesIn)
  let system: string[] = []
  for (const path of systemBundles) if (system.length === 0) system = certificatesIn(path)
  if (system.length === 0) system = tls.getCACertificates('system')
  return [...told, ...system, ...tls.getCACertificates('default')]
}

function certificatesIn(path: string | undefined): string[] {
  if (path === undefined || path === '') return []
  try {
    return readFileSync(path, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  } catch {
    // What is not there adds nothing to what is trusted.
    return []
  }
}
