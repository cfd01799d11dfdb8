import { expect, test } from 'vitest'
import { duration, size, timeOfDay } from './figures.ts'

test('sizes are short, and say their unit', () => {
  expect([0, 999, 1000, 12_345, 123_456, 2_500_000, 3e9].map(size)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '12.3 kB',
    '123 kB',
    '2.5 MB',
    '3.0 GB',
  ])
})

test('durations never say 1000 ms or 60 s', () => {
  expect([0.4, 45, 999.4, 999.6, 59_900, 59_960, 185_000].map(duration)).toEqual([
    '0 ms',
    '45 ms',
    '999 ms',
    '1.0 s',
    '59.9 s',
    '1 min 0 s',
    '3 min 5 s',
  ])
})

test('a time of day has the same width always', () => {
  expect(timeOfDay(new Date(2026, 0, 2, 3, 4, 5, 6).getTime())).toBe('03:04:05.006')
})
