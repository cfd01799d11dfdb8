import { closeSync, openSync, writeSync } from 'node:fs'
import { extname } from 'node:path'
import { messageOf, UsageError } from '../usage-error.ts'

/** What `--output` can write. */
export type OutputFormat = 'har' | 'jsonl'

/** @throws UsageError on a name that does not tell what is to be written */
export function formatOf(file: string): OutputFormat {
  const extension = extname(file).toLowerCase()
  if (extension === '.har') return 'har'
  if (extension === '.jsonl' || extension === '.ndjson') return 'jsonl'
  throw new UsageError(`--output ${file}: expected a name that ends in .har or .jsonl`)
}

/** A file that is whole after each write, and this user's alone: what it holds may be confidential. */
export class OutputFile {
  readonly #file: number
  readonly #trailer: string
  #position = 0

  /** @throws UsageError if it cannot be written */
  constructor(path: string, { header = '', trailer = '' }: { readonly header?: string; readonly trailer?: string } = {}) {
    try {
      this.#file = openSync(path, 'w', 0o600)
    } catch (cause) {
      throw new UsageError(`--output ${path} cannot be written: ${messageOf(cause)}`, { cause })
    }
    this.#trailer = trailer
    this.write(header)
  }

  /** In front of the trailer. */
  write(text: string): void {
    const bytes = Buffer.from(text + this.#trailer)
    for (let done = 0; done < bytes.length;) done += writeSync(this.#file, bytes, done, bytes.length - done, this.#position + done)
    this.#position += bytes.length - Buffer.byteLength(this.#trailer)
  }

  close(): void {
    closeSync(this.#file)
  }
}
