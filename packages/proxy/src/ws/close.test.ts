import { expect, test } from 'vitest'
import { closeFault } from './close.ts'

test.each([1005, 1006, 1015, 1004, 999, 0, -1, 1016, 2999, 5000, 1000.5, Number.NaN])('code %d is never sent (T23)', code => {
  expect(closeFault(code, '')).toContain(`close code ${code} must not be sent`)
})

test.each([1000, 1001, 1003, 1007, 1014, 3000, 4999])('code %d may be sent', code => {
  expect(closeFault(code, 'bye')).toBeUndefined()
})

test('no code at all stands for an empty close frame', () => {
  expect(closeFault(undefined, '')).toBeUndefined()
  expect(closeFault(undefined, 'why')).toContain('without a code')
})

test('a reason of 123 bytes of UTF-8 is kept, a longer one refused (T24)', () => {
  expect(closeFault(4000, 'ü'.repeat(61) + 'x')).toBeUndefined()
  expect(closeFault(4000, 'ü'.repeat(62))).toContain('124 bytes')
})

test('a reason that is no well-formed Unicode is refused', () => {
  expect(closeFault(4000, '\ud800')).toContain('well-formed')
})
