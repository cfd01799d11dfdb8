import type { Side } from '@midwire/proxy'

/** One line of a transcript, as data. */
export interface TranscriptLine {
  /** ms since the test began. */
  readonly at: number
  /** `client → server`, `Midwire → client`; empty for a note. */
  readonly way: string
  /** `text`, `binary`, `ping`, `close`, `FIN`. */
  readonly type: string
  /** Bytes of payload, where there is one. */
  readonly bytes?: number
  readonly summary: string
  /** `dropped by "lose first attach" (channel.test.ts:33)`. */
  readonly outcome?: string
  /** Why the best near miss missed: `channel "b", expected "a"`. */
  readonly nearest?: string
  /** Why the line is told apart from others: `matched`, `2 of 3`. */
  readonly mark?: string
}

/** What was seen on one connection, or outside of any. */
export interface TranscriptPart {
  /** `wss://main.realtime.example.com/?v=6  connection 1, open`. */
  readonly title: string
  readonly lines: readonly TranscriptLine[]
}

/** How much of a transcript is shown. */
export interface TranscriptLimits {
  /** Lines per part; more are cut in the middle. @default 40 */
  readonly lines?: number
  /** Parts; the oldest go first. @default 6 */
  readonly parts?: number
}

/** The direction of what `from` sent, for a transcript. */
export function wayFrom(from: Side): string {
  return from === 'client' ? 'client → server' : 'server → client'
}

/** The transcript as indented lines. */
export function renderTranscript(parts: readonly TranscriptPart[], limits: TranscriptLimits = {}): string[] {
  const { lines: mostLines = 40, parts: mostParts = 6 } = limits
  const shown = parts.slice(-mostParts)
  const earlier = parts.length - shown.length
  return [
    ...(earlier > 0 ? [`  … ${count(earlier, 'earlier connection')} not shown`] : []),
    ...shown.flatMap(part => [`  ${part.title}`, ...renderLines(part.lines, mostLines)]),
  ]
}

/** `1 rule`, `2 rules`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function renderLines(lines: readonly TranscriptLine[], most: number): string[] {
  const kept = keep(lines, most)
  const all = kept.filter(line => typeof line !== 'number')
  const width = (pick: (line: TranscriptLine) => string): number => Math.max(0, ...all.map(line => pick(line).length))
  const times = width(showTime)
  const ways = width(line => line.way)
  const kinds = width(line => line.type)
  const sizes = width(showSize)
  // A column is as wide as it must be, but one long value does not push all outcomes out of sight.
  const summaries = Math.min(60, Math.max(0, ...all.filter(hasTail).map(line => line.summary.length)))
  return kept.map(line => {
    if (typeof line === 'number') return `    … ${count(line, 'line')} not shown …`
    const way = ways === 0 ? [] : [line.way.padEnd(ways)]
    const columns = [showTime(line).padStart(times), ...way, `${line.type.padEnd(kinds)} ${showSize(line).padStart(sizes)}`]
    const summary = hasTail(line) ? line.summary.padEnd(summaries) : line.summary
    const nearest = line.nearest === undefined ? undefined : `nearest: ${cut(line.nearest, 160)}`
    const mark = line.mark === undefined ? undefined : `← ${line.mark}`
    return `    ${[...columns, summary, line.outcome, nearest, mark].filter(part => part !== undefined).join('  ')}`.trimEnd()
  })
}

function hasTail(line: TranscriptLine): boolean {
  return line.outcome !== undefined || isSoughtFor(line)
}

function isSoughtFor(line: TranscriptLine): boolean {
  return line.nearest !== undefined || line.mark !== undefined
}

/** The first third and the last two thirds, and in between what the reader looks for; a number stands for lines left out. */
function keep(lines: readonly TranscriptLine[], most: number): (TranscriptLine | number)[] {
  if (lines.length <= most) return [...lines]
  const head = Math.floor(most / 3)
  const tail = lines.length - (most - head)
  const out: (TranscriptLine | number)[] = []
  for (const [index, line] of lines.entries()) {
    const last = out.at(-1)
    if (index < head || index >= tail || isSoughtFor(line)) out.push(line)
    else if (typeof last === 'number') out[out.length - 1] = last + 1
    else out.push(1)
  }
  return out
}

function showTime(line: TranscriptLine): string {
  return `+${Math.max(0, Math.round(line.at))} ms`
}

function showSize(line: TranscriptLine): string {
  return line.bytes === undefined ? '' : size(line.bytes)
}

/** A number of bytes for people: `118 B`, `2.5 MiB`. */
export function size(bytes: number): string {
  return bytes < 100_000 ? `${bytes} B` : `${(bytes / 1_048_576).toFixed(1)} MiB`
}

/** The beginning of a text, with a sign that there is more. */
export function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, Math.max(0, limit - 1))}…`
}
