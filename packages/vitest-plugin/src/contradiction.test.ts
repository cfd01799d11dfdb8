import { json, text } from '@midwire/sdk'
import { expect, test } from 'vitest'
import { contradiction } from './contradiction.ts'

test('options left out agree with everything', () => {
  expect(contradiction({ upstream: 'none', seed: 1 }, {})).toBeUndefined()
  expect(contradiction({ upstream: 'none' }, { upstream: undefined })).toBeUndefined()
})

test('equal values agree, however often they are written', () => {
  const route = (): object => ({ route: { 'a.test': 'http://127.0.0.1:1' }, codec: json() })
  expect(contradiction(route(), route())).toBeUndefined()
})

test('the first option that differs is named', () => {
  expect(contradiction({ waitTimeout: 100 }, { waitTimeout: 200 })).toBe('waitTimeout')
  expect(contradiction({}, { upstream: 'none' })).toBe('upstream')
  expect(contradiction({ codec: json() }, { codec: text() })).toBe('codec')
})
