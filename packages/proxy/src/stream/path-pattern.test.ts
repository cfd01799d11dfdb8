import { expect, test } from 'vitest'
import { pathPattern } from './path-pattern.ts'

test('a pattern matches the whole path: * is anything, :name one segment, all else itself', () => {
  expect(pathPattern('/comet/*')('/comet/connect')).toEqual({})
  expect(pathPattern('/comet/*')('/comet/a/send')).toEqual({})
  expect(pathPattern('/comet/*')('/x/comet/a')).toBeUndefined()
  expect(pathPattern('/comet/:key/send')('/comet/a!b/send')).toEqual({ key: 'a!b' })
  expect(pathPattern('/comet/:key/send')('/comet/a/b/send')).toBeUndefined()
  expect(pathPattern('/a.b+c/(d)')('/a.b+c/(d)')).toEqual({})
  expect(pathPattern('/a.b')('/axb')).toBeUndefined()
})

test('a RegExp finds something in it, each time anew, and names groups', () => {
  const find = pathPattern(/\/poll\/(?<id>\d+)/g)
  expect(find('/x/poll/12')).toEqual({ id: '12' })
  expect(find('/poll/13')).toEqual({ id: '13' })
  expect(find('/poll/x')).toBeUndefined()
})
