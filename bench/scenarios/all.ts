import type { Case } from '../case.ts'
import { importing } from './import.ts'
import { oneWay } from './one-way.ts'
import { opening } from './open.ts'
import { roundTrips } from './round-trip.ts'
import { startStop } from './start-stop.ts'
import { thousand } from './thousand.ts'

export const cases: readonly Case[] = [...roundTrips, ...oneWay, ...opening, ...thousand, ...startStop, ...importing]

export function caseTitled(title: string): Case {
  const found = cases.find(candidate => candidate.title === title)
  if (!found) throw new Error(`no case is called ${title}`)
  return found
}
