import { expect, test } from 'vitest'
import { optionHelp, parseOptions, parsePort } from './options.ts'

const table = {
  output: { type: 'string', short: 'o', value: 'FILE', text: 'where to' },
  headers: { type: 'boolean', text: 'show headers' },
  route: { type: 'string', multiple: true, value: 'HOST=URL', text: 'another server' },
} as const
const parse = (...args: string[]): object => parseOptions('run', table, args)

test('options end at the first argument that is none, whatever comes behind it', () => {
  expect(parse('--headers', '-o', 'a.har', 'curl', '--headers', '-x', '--', 'b')).toEqual({
    values: { headers: true, output: 'a.har' },
    rest: ['curl', '--headers', '-x', '--', 'b'],
  })
  expect(parse('--output=a', '--', '--strange', '--', '')).toEqual({ values: { output: 'a' }, rest: ['--strange', '--', ''] })
  expect(parse()).toEqual({ values: {}, rest: [] })
})

test('an option may be given several times where it says so', () => {
  expect(parse('--route', 'a=b', '--route', 'c=d')).toMatchObject({ values: { route: ['a=b', 'c=d'] } })
})

test('an option with a slip is told from the one that was meant', () => {
  expect(() => parse('--ouput', 'x')).toThrow('there is no option --ouput; did you mean --output?')
  expect(() => parse('--frobnicate')).toThrow('there is no option --frobnicate; midwire run --help lists the options')
  expect(() => parse('-x')).toThrow('there is no option -x;')
})

test('a value that is missing, or too much, is told', () => {
  expect(() => parse('--output')).toThrow('--output needs a value: --output FILE')
  expect(() => parse('--output', '--headers')).toThrow('--output needs a value: --output FILE')
  expect(() => parse('--headers=yes')).toThrow('--headers takes no value')
})

test('a port is a number up to 65535', () => {
  expect(parsePort('--port', '0')).toBe(0)
  for (const text of ['65536', '-1', 'http', '1.5', '']) expect(() => parsePort('--port', text)).toThrow(`--port ${text}: expected a port`)
})

test('help aligns what it says', () => {
  expect(optionHelp(table).split('\n')).toEqual([
    '  -o, --output FILE     where to',
    '      --headers         show headers',
    '      --route HOST=URL  another server',
  ])
})
