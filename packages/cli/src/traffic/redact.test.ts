import { describe, expect, test } from 'vitest'
import { isSecretName, redactHeader, redactText, redactUrl, redactValue } from './redact.ts'

const jwt = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"a"}').toString('base64url')}.c2ln`

describe('names', () => {
  test('of secrets are told in every way of writing them', () => {
    for (const name of [
      'token',
      'access_token',
      'X-Api-Key',
      'apiKey',
      'clientSecret',
      'PASSWORD',
      'key',
      'X-Auth-Token',
      'sig',
      'x-amz-signature',
    ])
      expect([name, isSecretName(name)]).toEqual([name, true])
  })

  test('that only sound like one are left alone', () => {
    for (const name of ['monkey', 'keyboard', 'token_type', 'max_tokens', 'author', 'authority', 'primaryKey', 'design', 'Sec-Fetch-Mode'])
      expect([name, isSecretName(name)]).toEqual([name, false])
  })
})

describe('headers', () => {
  test('keep scheme and cookie names, and lose what must not be seen', () => {
    expect(redactHeader('Authorization', 'Bearer abc.def')).toBe('Bearer [redacted]')
    expect(redactHeader('authorization', 'abcdef')).toBe('[redacted]')
    expect(redactHeader('Cookie', 'a=1; b=2=3')).toBe('a=[redacted]; b=[redacted]')
    expect(redactHeader('Set-Cookie', 'sid=abc; Path=/; HttpOnly')).toBe('sid=[redacted]; Path=/; HttpOnly')
    expect(redactHeader('X-Api-Key', 'abc')).toBe('[redacted]')
    expect(redactHeader('Location', '/next?token=abc&page=2')).toBe('/next?token=[redacted]&page=2')
  })

  test('that are no secrets stay as they are', () => {
    expect(redactHeader('Content-Type', 'application/json')).toBe('application/json')
    expect(redactHeader('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==')).toBe('dGhlIHNhbXBsZSBub25jZQ==')
  })
})

describe('URLs', () => {
  test('lose the values of secret parameters and passwords', () => {
    expect(redactUrl('https://a:b@c.example/?key=1&x=2&access%5Ftoken=3#id_token=4')).toBe(
      'https://a:[redacted]@c.example/?key=[redacted]&x=2&access%5Ftoken=[redacted]#id_token=[redacted]',
    )
  })

  test('that hold none stay as they are', () => {
    const url = 'wss://c.example:8443/a;b=c/?x=%zz&empty=&flag'
    expect(redactUrl(url)).toBe(url)
  })
})

describe('texts', () => {
  test('of JSON lose fields at any depth, whole objects included, and keep all else to the letter', () => {
    expect(redactText('{ "id": 12345678901234567890,  "auth": {"user": "a", "x": ["}"]}, "b": [{"token" : "s\\"x"}] }')).toBe(
      '{ "id": 12345678901234567890,  "auth": "[redacted]", "b": [{"token" : "[redacted]"}] }',
    )
    expect(redactText('{"password":123,"token":null,"x":1}')).toBe('{"password":"[redacted]","token":null,"x":1}')
  })

  test('of JSON that is cut, or one of several lines, lose them too', () => {
    expect(redactText('{"a":1}\n{"token":"abc"}\n{"secret":"de')).toBe('{"a":1}\n{"token":"[redacted]"}\n{"secret":"[redacted]"')
  })

  test('of forms, and tokens by their shape', () => {
    expect(redactText('grant=x&client_secret=abc&password=a+b')).toBe('grant=x&client_secret=[redacted]&password=[redacted]')
    expect(redactText(`see ${jwt}, or Bearer abcdefgh1234`)).toBe('see [redacted], or Bearer [redacted]')
  })

  test('that hold none stay as they are', () => {
    for (const text of ['hello', 'a = b', '{"a":"b"}', '42["event",{"x":1}]']) expect(redactText(text)).toBe(text)
  })
})

test('decoded values are copied without secrets', () => {
  const bytes = new Uint8Array([1])
  expect(redactValue({ a: [{ token: 'x' }], bytes, ok: true, auth: { a: 1 }, n: 5n })).toEqual({
    a: [{ token: '[redacted]' }],
    bytes,
    ok: true,
    auth: '[redacted]',
    n: 5n,
  })
  expect(redactValue(new Map([['secret', 'x']]))).toEqual(new Map([['secret', '[redacted]']]))
})
