import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { Scope } from '../scope.ts'
import { basicUsername, Credentials } from './credentials.ts'

test('each scope has a user name of its own, which leads back to it', () => {
  const credentials = new Credentials()
  const [a, b] = [new Scope('a'), new Scope('b')]
  expect(credentials.usernameOf(a)).toBe(credentials.usernameOf(a))
  expect(credentials.usernameOf(a)).not.toBe(credentials.usernameOf(b))
  expect(credentials.usernameOf(a)).toMatch(/^[\w-]{24}$/)
  expect(credentials.scopeOf(credentials.usernameOf(b))).toBe(b)
  expect(credentials.scopeOf('x')).toBeUndefined()
})

describe('Basic credentials (RFC 7617 §2)', () => {
  test('give the user name, whatever the password is', () => {
    fc.assert(
      fc.property(
        fc.string().filter(name => !name.includes(':') && name.isWellFormed()),
        fc.string(),
        (name, password) => {
          expect(basicUsername(`Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`)).toBe(name)
        },
      ),
    )
  })

  test.each(['Bearer abc', 'Basic', 'Basic !', `Basic ${Buffer.from('no colon').toString('base64')}`, ''])('%j holds none', field => {
    expect(basicUsername(field)).toBeUndefined()
  })
})
