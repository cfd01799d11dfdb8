import { expect, test } from 'vitest'
import { badInput, checkChoice, checkClose, checkCount, checkFunction, checkKeys, checkMs } from './bad-input.ts'

test('an error of the caller has a code, and a stack that begins in the test', () => {
  const error = badInput('expected more')
  expect(error).toMatchObject({ code: 'MIDWIRE_BAD_INPUT', name: 'MidwireError [MIDWIRE_BAD_INPUT]', message: 'expected more' })
  expect(error.stack?.split('\n')[1]).toMatch(/bad-input\.test\.ts:5:/)
})

test('an unknown key is named, with the known ones', () => {
  expect(() => checkKeys({ timout: 1 }, ['timeout', 'signal'], 'waitFor options')).toThrow(
    'waitFor options: unknown key "timout"; known are "timeout", "signal"',
  )
  expect(() => checkKeys('x', ['timeout'], 'options')).toThrow('options: expected an object with "timeout", got string')
  expect(() => checkKeys(null, ['timeout'], 'options')).toThrow('got null')
  expect(() => checkKeys(undefined, [], 'options')).not.toThrow()
})

test.each([0, -1, 1.5, Number.NaN, Infinity, '1', undefined])('%o is no count', value => {
  expect(() => checkCount(value, 'times(count)')).toThrow(`times(count): expected a positive integer, got ${String(value)}`)
})

test.each([-1, Number.NaN, Infinity, 2 ** 31, '5', null])('%o is no time', value => {
  expect(() => checkMs(value, 'delay(ms)')).toThrow('delay(ms): expected a number of ms from 0 to 2147483647')
})

test.each([999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1000.5, Number.NaN])('close code %d is never sent', code => {
  expect(() => checkClose(code, '', 'thenClose(code, reason)')).toThrow(/^thenClose\(code, reason\): close code .* must not be sent/)
})

test.each([1000, 1001, 1003, 1007, 1011, 1014, 3000, 4400, 4999])('close code %d may be sent', code => {
  expect(() => checkClose(code, '', 'close')).not.toThrow()
})

test('a reason fits 123 bytes of UTF-8, not characters', () => {
  expect(() => checkClose(1000, 'é'.repeat(61), 'close')).not.toThrow()
  expect(() => checkClose(1000, 'é'.repeat(62), 'close')).toThrow('124 bytes')
})

test('choices and functions say what was expected', () => {
  expect(() => checkChoice('maybe', ['wait', 'pass'], 'hold({ others })')).toThrow("hold({ others }): expected 'wait' or 'pass', got maybe")
  expect(() => checkFunction(5, 'observe(fn)')).toThrow('observe(fn): expected a function, got number')
})
