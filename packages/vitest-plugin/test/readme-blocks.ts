import { readFileSync } from 'node:fs'
import { basename, dirname, relative } from 'node:path'

/** A TypeScript block of a README. */
export interface ReadmeBlock {
  /** `sdk-README-93`: whose, and its line. */
  readonly name: string
  /** `packages/sdk/README.md:93`. */
  readonly place: string
  readonly code: string
  /** Marked `ts run`: it is a test file, to be run as it is. */
  readonly isRun: boolean
}

/** The blocks of a file, each padded so that its lines keep their numbers. */
export function readBlocks(file: string, root: string): ReadmeBlock[] {
  const blocks: ReadmeBlock[] = []
  const lines = readFileSync(file, 'utf8').split('\n')
  for (let begin = 0; begin < lines.length; begin++) {
    const fence = /^```ts( run)?$/.exec(lines[begin] ?? '')
    if (!fence) continue
    const end = lines.indexOf('```', begin + 1)
    if (end < 0) throw new Error(`${file}:${begin + 1}: the block has no end`)
    const code = `${'\n'.repeat(begin + 1)}${lines.slice(begin + 1, end).join('\n')}\nexport {}\n`
    const name = `${basename(dirname(file))}-${basename(file, '.md')}-${begin + 1}`
    blocks.push({ name, place: `${relative(root, file)}:${begin + 1}`, code, isRun: fence[1] !== undefined })
    begin = end
  }
  return blocks
}
