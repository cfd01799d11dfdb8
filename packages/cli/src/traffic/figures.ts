/** A number of bytes for people: `118 B`, `12.3 kB`, `2.5 MB`. */
export function size(bytes: number): string {
  for (const [unit, factor] of units) if (bytes >= factor) return `${(bytes / factor).toFixed(bytes >= factor * 100 ? 0 : 1)} ${unit}`
  return `${bytes} B`
}

const units = [
  ['GB', 1e9],
  ['MB', 1e6],
  ['kB', 1e3],
] as const

/** A duration for people: `45 ms`, `1.2 s`, `3 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** The time of day, in the machine's zone: `12:03:04.123`. */
export function timeOfDay(at: number): string {
  const date = new Date(at)
  const two = (value: number): string => String(value).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}
