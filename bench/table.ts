import type { Case, Target } from './case.ts'
import type { Summary } from './statistics.ts'

/** One case as lines of text: medians, spread, quotient with the baseline, and the targets beside them. */
export function tableOf(of: Case, results: ReadonlyMap<string, Summary | Error>): string {
  const base = results.get(of.baseline)
  const baseline = base && !(base instanceof Error) ? base.median : Number.NaN
  const rows = [...results].map(([variant, result]) => {
    if (result instanceof Error) return [variant, 'failed', '', '', result.message.split('\n', 1)[0]!]
    const targets = of.targets.filter(target => target.variant === variant).map(target => verdict(target, of, result.median, baseline))
    return [
      variant,
      amount(result.median, of.unit),
      `± ${(result.spread * 100).toFixed(0)} %`,
      (result.median / baseline).toFixed(2),
      targets.join(', '),
    ]
  })
  return columns([[of.title, `median ${of.unit}`, 'spread', `÷ ${of.baseline}`, 'target'], ...rows])
}

function verdict(target: Target, { unit }: Case, median: number, baseline: number): string {
  const seen = { ratio: median / baseline, difference: median - baseline, value: median }[target.of]
  const met = seen <= (target.atMost ?? Infinity) && seen >= (target.atLeast ?? -Infinity)
  const limit = target.atMost === undefined ? `≥ ${amount(target.atLeast!)}` : `≤ ${amount(target.atMost)}`
  const text = { ratio: limit, difference: `${limit.replace(' ', ' +')} ${unit}`, value: `${limit} ${unit}` }[target.of]
  return `${text} ${met ? 'met' : 'MISSED'}`
}

function amount(value: number, unit?: string): string {
  return value.toLocaleString('en', unit && value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 })
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows
    .map(row =>
      row
        .map((cell, i) => (i === 0 || i === 4 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
