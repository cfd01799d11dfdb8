import type { Case } from '../case.ts'
import { http } from './http.ts'
import { importing } from './import.ts'
import { memory } from './memory.ts'
import { oneWay } from './one-way.ts'
import { opening } from './open.ts'
import { roundTrips } from './round-trip.ts'
import { rules } from './rules.ts'
import { startStop } from './start-stop.ts'
import { thousand } from './thousand.ts'

export const cases: readonly Case[] = [
  ...roundTrips,
  ...oneWay,
  ...rules,
  ...http,
  ...opening,
  ...thousand,
  ...memory,
  ...startStop,
  ...importing,
]

export function caseTitled(title: string): Case {
  const found = cases.find(candidate => candidate.title === title)
  if (!found) throw new Error(`no case is called ${title}`)
  return found
}
