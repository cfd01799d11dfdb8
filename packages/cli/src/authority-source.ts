import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Authority } from '@midwire/proxy/authority'
import type { OptionTable } from './options.ts'
import { codeOf, messageOf, UsageError } from './usage-error.ts'

/** Certificate and key of an authority, in PEM, and where they come from. */
export interface AuthoritySource {
  readonly cert: string
  readonly key: string
  /** File with the certificate. */
  readonly file: string
  readonly isMkcerts: boolean
}

export const authorityOptions = {
  'ca-cert': {
    type: 'string',
    value: 'FILE',
    text: 'sign with this authority (PEM). Default: the root of mkcert,\nwhere it is installed; else one made for this run',
  },
  'ca-key': { type: 'string', value: 'FILE', text: 'its key. Default: in the same file, or beside it as NAME-key.pem' },
  'no-mkcert': { type: 'boolean', text: 'leave the root of mkcert alone' },
} as const satisfies OptionTable

export interface AuthorityChoice {
  readonly 'ca-cert'?: string
  readonly 'ca-key'?: string
  readonly 'no-mkcert'?: boolean
}

/** The authority that was named, or else the root of mkcert; `undefined`: there is none. @throws UsageError if it cannot be used */
export function findAuthority(choice: AuthorityChoice, env: NodeJS.ProcessEnv = process.env): AuthoritySource | undefined {
  const { 'ca-cert': file, 'ca-key': keyFile, 'no-mkcert': leaveMkcert = false } = choice
  if (file === undefined) {
    if (keyFile !== undefined) throw new UsageError(`--ca-key ${keyFile} needs the certificate that it belongs to: --ca-cert FILE`)
    return leaveMkcert ? undefined : mkcertsRoot(env)
  }
  const cert = read('--ca-cert', file)
  const source = { cert, key: keyFile === undefined ? keyBeside(file, cert) : read('--ca-key', keyFile), file, isMkcerts: false }
  const key = keyFile ?? 'its key'
  if (/BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(source.key))
    throw new UsageError(`--ca-cert ${file}: ${key} is encrypted; expected one without a passphrase (openssl pkey -in KEY -out PLAIN)`)
  try {
    Authority.from(source)
  } catch (cause) {
    throw new UsageError(`--ca-cert ${file} with ${key} cannot sign: ${messageOf(cause)}`, { cause })
  }
  return source
}

/** `rootCA.pem` → `rootCA-key.pem`, as mkcert and `midwire ca` write them. */
export function keyFileBeside(file: string): string {
  return file.replace(/(\.[^./\\]+)?$/, (extension: string) => `-key${extension === '' ? '.pem' : extension}`)
}

function keyBeside(file: string, cert: string): string {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(cert)) return cert
  const beside = keyFileBeside(file)
  if (existsSync(beside)) return read('--ca-cert', beside)
  throw new UsageError(`--ca-cert ${file} needs its key: --ca-key FILE, or a file ${beside}`)
}

function read(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = { ENOENT: 'there is no such file', EACCES: 'it may not be read by this user', EISDIR: 'it is a folder' }[
      codeOf(cause) ?? ''
    ]
    throw new UsageError(`${option} ${file} cannot be read: ${why ?? messageOf(cause)}`, { cause })
  }
}

function mkcertsRoot(env: NodeJS.ProcessEnv): AuthoritySource | undefined {
  for (const folder of mkcertsFolders(env)) {
    const file = join(folder, 'rootCA.pem')
    const keyFile = keyFileBeside(file)
    // Without its key it can verify only; with one that is not readable, it is none of this user's.
    if (!existsSync(file) || !existsSync(keyFile)) continue
    try {
      const source = { cert: readFileSync(file, 'utf8'), key: readFileSync(keyFile, 'utf8'), file, isMkcerts: true }
      Authority.from(source)
      return source
    } catch (error) {
      process.stderr.write(`midwire: the root of mkcert in ${folder} cannot be used, and is left alone: ${messageOf(error)}\n`)
      return undefined
    }
  }
  return undefined
}

/** Where mkcert keeps its root, most likely first. */
function* mkcertsFolders(env: NodeJS.ProcessEnv): Generator<string> {
  if (env['CAROOT']) return yield env['CAROOT']
  try {
    const said = execFileSync('mkcert', ['-CAROOT'], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'], timeout: 5000 }).trim()
    if (said !== '') return yield said
  } catch {
    // It may have been installed once.
  }
  const home = env['HOME'] ?? homedir()
  if (process.platform === 'darwin') yield join(home, 'Library', 'Application Support', 'mkcert')
  else if (process.platform === 'win32') yield join(env['LOCALAPPDATA'] ?? home, 'mkcert')
  else yield join(env['XDG_DATA_HOME'] || join(home, '.local', 'share'), 'mkcert')
}
