import type { EditableRequest, EditableResponse } from '@midwire/proxy'
import { describe, expect, test } from 'vitest'
import { requestPatch, responsePatch } from './request-patch.ts'

function request(): EditableRequest {
  const body = new Uint8Array()
  return {
    method: 'GET',
    path: '/',
    query: { a: '1', b: '2' },
    headers: { 'x-a': '1' },
    body,
    text: '',
    json: { n: 1, deep: { a: 1, b: 2 } },
  }
}

describe('a part of a request', () => {
  test('is merged into it, name by name', () => {
    const edited = request()
    requestPatch({ method: 'PUT', path: '/x', query: { a: undefined, c: ['3', '4'] }, headers: { 'X-A': '2' }, json: { deep: { b: 3 } } })(
      edited,
    )
    expect(edited).toMatchObject({ method: 'PUT', path: '/x', headers: { 'x-a': '2' }, json: { n: 1, deep: { a: 1, b: 3 } } })
    expect(edited.query).toEqual({ a: undefined, b: '2', c: ['3', '4'] })
  })

  test('leaves alone what it does not name', () => {
    const edited = request()
    requestPatch({ text: 'other' })(edited)
    expect(edited).toEqual({ ...request(), text: 'other' })
  })
})

describe('a part of a response', () => {
  test('is merged into it', () => {
    const { method: _, path: __, query: ___, ...rest } = request()
    const edited: EditableResponse = { ...rest, status: 200, statusText: 'OK' }
    responsePatch({ status: 404, statusText: 'Gone', body: Buffer.from('x') })(edited)
    expect(edited).toMatchObject({ status: 404, statusText: 'Gone', body: Buffer.from('x') })
  })
})

describe('a part that cannot be meant', () => {
  test.each([
    [{}, 'expected something to change, got an empty object'],
    [{ header: {} }, 'unknown key "header"; known are'],
    [{ text: 'a', json: 1 }, 'text and json are the same body; give one of them'],
    [{ body: 'a' }, 'expected bytes; give a string as text'],
    [{ path: '/a?b' }, 'has no query; that is { query }'],
    [null, 'expected a function or an object, got null'],
  ])('is refused: %j', (patch, text) => {
    expect(() => requestPatch(patch as Parameters<typeof requestPatch>[0])).toThrow(text)
  })

  test('is refused for a status that is none of a response', () => {
    expect(() => responsePatch({ status: 100 })).toThrow('expected a status from 200 to 599, got 100')
  })
})
