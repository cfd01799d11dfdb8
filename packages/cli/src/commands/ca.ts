import { rmSync, writeFileSync } from 'node:fs'
import { Authority } from '@midwire/proxy/authority'
import { authorityOptions, findAuthority, keyFileBeside } from '../authority-source.ts'
import type { Command } from '../command.ts'
import { optionHelp, parseOptions } from '../options.ts'
import { trustLines } from '../trust-lines.ts'
import { codeOf, messageOf, UsageError } from '../usage-error.ts'

const options = {
  out: {
    type: 'string',
    value: 'FILE',
    text: 'make an authority: its certificate in FILE, its key beside it\n(FILE.pem → FILE-key.pem), readable by this user alone',
  },
  force: { type: 'boolean', text: 'overwrite what is there' },
  ...authorityOptions,
} as const

export const ca: Command = {
  name: 'ca',
  summary: 'print or make the certificate authority, and say how to trust it',
  help: `Usage: midwire ca --out FILE
       midwire ca [--ca-cert FILE]

Prints the certificate of the authority that midwire run and midwire serve would use (that
of --ca-cert, or mkcert's root), or makes one that stays: give it to them with --ca-cert. What
each runtime needs to trust it is said on standard error.

${optionHelp(options)}`,

  run(args) {
    const { values, rest } = parseOptions('ca', options, args)
    if (rest.length > 0) throw new UsageError(`midwire ca takes options only, and got ${JSON.stringify(rest[0])}`)
    const { out, force = false } = values
    if (out !== undefined) {
      const { certificate, key } = Authority.create()
      write(keyFileBeside(out), key, 0o600, force)
      write(out, certificate, 0o644, force)
      process.stderr.write(
        `Wrote ${out} and ${keyFileBeside(out)}. Use it with --ca-cert ${out}. To trust it:\n${trustLines(out, certificate)}\n`,
      )
      return Promise.resolve(0)
    }
    const found = findAuthority(values)
    if (!found) throw new UsageError('there is no authority that stays; midwire ca --out FILE makes one, and --ca-cert FILE names one')
    const [certificate = ''] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(found.cert) ?? []
    process.stdout.write(`${certificate}\n`)
    process.stderr.write(
      `${found.isMkcerts ? `The root of mkcert, ${found.file}` : found.file}. To trust it:\n${trustLines(found.file, certificate)}\n`,
    )
    return Promise.resolve(0)
  },
}

function write(file: string, text: string, mode: number, force: boolean): void {
  try {
    // A file that is overwritten keeps its mode, and a link leads elsewhere.
    if (force) rmSync(file, { force })
    writeFileSync(file, text, { mode, flag: 'wx' })
  } catch (cause) {
    const why = codeOf(cause) === 'EEXIST' ? 'it is there already; --force overwrites it' : messageOf(cause)
    throw new UsageError(`--out: ${file} cannot be written: ${why}`, { cause })
  }
}
