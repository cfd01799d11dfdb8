import { expect, test } from 'vitest'
import { alertRecord } from './alert.ts'

test('a fatal alert is a record of its own, in the clear (RFC 8446 §5.1, §6)', () => {
  expect(alertRecord('handshake_failure').toString('hex')).toBe('15030300020228')
  expect(alertRecord('no_application_protocol').toString('hex')).toBe('15030300020278')
})
