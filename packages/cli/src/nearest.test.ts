import { expect, test } from 'vitest'
import { nearest } from './nearest.ts'

test('a name with a slip leads to the one that was meant', () => {
  const names = ['run', 'serve', 'ca', 'sniff']
  expect(nearest('serv', names)).toBe('serve')
  expect(nearest('rnu', names)).toBe('run')
  expect(nearest('SNIF', names)).toBe('sniff')
})

test('a name that is like none leads nowhere', () => {
  expect(nearest('frobnicate', ['run', 'serve'])).toBeUndefined()
  expect(nearest('x', [])).toBeUndefined()
})
