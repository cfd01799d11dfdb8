import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const read = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8')
const rows = [...read('README.md').matchAll(/^\| (\d+) \| (.+?) \| (.+) \|$/gm)].map(([, row, , here]) => ({
  row: Number(row),
  here,
}))

test('every place in the tests of ably-js is a row of the inventory, and each is there once', () => {
  expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: 86 }, (_, index) => index + 1))
})

test('every test that the inventory names exists', () => {
  const missing = rows.flatMap(({ row, here }) => {
    const named = [...here.matchAll(/\]\((\S+?\.test\.ts)\) › (.+?)(?=<br>|$)/g)]
    if (named.length === 0 && !here.startsWith('not here: ')) return [`row ${row} names no test, and does not say why`]
    return named.filter(([, file, title]) => !titlesOf(file).includes(title)).map(([text]) => `row ${row}: ${text}`)
  })
  expect(missing).toEqual([])
})

/** The titles of tests as a file writes them. */
function titlesOf(file: string): string[] {
  return [...read(file).matchAll(/\btest(?:\.for<[^(]*>\(\[.*?\n {2}\]\))?\(\s*'([^'\n]+)',/gs)].map(([, title]) => title)
}
