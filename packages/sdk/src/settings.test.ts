import { expect, test } from 'vitest'
import { json } from './codec/json.ts'
import { checkSettings } from './settings.ts'

const check = (options: object): void => checkSettings(options, 'use()')

test('every option of the contract is accepted', () => {
  expect(() =>
    check({
      codec: json(),
      route: { 'main.example.com': 'http://127.0.0.1:4000', 'a.example.com:8443': 'https://localhost' },
      intercept: { 'pinned.example.com': false },
      bypass: ['.internal', '10.0.0.0/8'],
      upstreamProxy: 'socks5://127.0.0.1:1080',
      listen: { host: '0.0.0.0', port: 8080 },
      upstream: 'none',
      unusedRules: 'warn',
      leaks: 'fail',
      waitTimeout: 100,
      decisionTimeout: 100,
      seed: 1,
      clock: 'test',
      journalLimit: 1024,
    }),
  ).not.toThrow()
  expect(() => check({})).not.toThrow()
})

test.each([
  [{ codecs: json() }, 'use() options: unknown key "codecs"; known are "codec", "route"'],
  [{ codec: json }, 'use() { codec }: expected { name, decode, encode }, got function; did you mean json()?'],
  [{ codec: {} }, 'use() { codec }: expected { name, decode, encode }, got object'],
  [{ route: { 'a.example.com': 'ws://127.0.0.1:1' } }, 'use() { route: { "a.example.com" } }: expected an http: or https: URL'],
  [{ route: { 'a.example.com': 4000 } }, 'use() { route }: expected an http: or https: URL for "a.example.com", got 4000'],
  [{ route: { 'https://a.example.com/': 'http://b' } }, "\"https://a.example.com/\" is no host name; expected 'host' or 'host:port'"],
  [{ route: 'http://b' }, 'use() { route }: expected an object of host names and an http: or https: URL'],
  [{ intercept: { a: 'no' } }, 'use() { intercept }: expected true or false for "a", got no'],
  [{ intercept: 'all' }, 'use() { intercept }: expected an object of host names and true or false'],
  [{ bypass: 'http://a' }, 'use() { bypass }: "http://a" is no host; expected'],
  [{ bypass: 1 }, 'use() { bypass }: expected hosts as in NO_PROXY'],
  [{ upstreamProxy: 'ftp://a' }, "use() { upstreamProxy }: expected the URL of a proxy, such as 'http://"],
  [{ listen: { host: 'localhost' } }, 'use() { listen }: host "localhost" is no IP address'],
  [{ listen: { port: -1 } }, 'use() { listen }: -1 is no port'],
  [{ listen: { address: '::' } }, 'use() { listen }: unknown key "address"; expected { host, port }'],
  [{ streams: { path: '/a' } }, 'use() { streams }: expected an array of { path, … }, got object'],
  [{ streams: [{ path: '/a' }, { paths: '/b' }] }, 'use() { streams: [1] }: unknown key "paths" — expected one of host, path'],
  [{ streams: [{ path: 'a' }] }, `use() { streams: [0] } { path }: expected a path that begins with '/', such as '/comet/*'`],
  [{ streams: [{ path: '/a', framing: 'json' }] }, `{ framing }: expected 'sse', 'lines', 'body' or { name, reader, write }, got "json"`],
  [{ streams: [{ path: '/a', packing: 'array' }] }, `{ packing }: expected jsonArray(), separated('…')`],
  [{ streams: [{ path: '/a', host: 'a.example.com:80' }] }, '{ host }: expected a host name without a port'],
  [
    { streams: [{ path: '/a', connectionKey: 1 }] },
    '{ connectionKey }: expected a name in the path or the query, or a function, got number',
  ],
  [{ streams: [{ path: '/a', method: 'GET POST' }] }, `{ method }: expected a name such as 'GET', got "GET POST"`],
  [{ upstream: 'nowhere' }, "use() { upstream }: 'real', 'none' or a URL: expected an http: or https: URL"],
  [{ unusedRules: true }, "use() { unusedRules }: expected 'fail' or 'warn' or 'ignore', got true"],
  [{ leaks: 'ignore' }, "use() { leaks }: expected 'close' or 'fail', got ignore"],
  [{ waitTimeout: -1 }, 'use() { waitTimeout }: expected a number of ms'],
  [{ decisionTimeout: '5' }, 'use() { decisionTimeout }: expected a number of ms'],
  [{ clock: 'fake' }, "use() { clock }: expected 'real' or 'test', got fake"],
  [{ seed: 1.5 }, 'use() { seed }: expected an integer, got 1.5'],
  [{ journalLimit: -1 }, 'use() { journalLimit }: expected a number of bytes, got -1'],
])('%o is refused: %s', (options, message) => {
  expect(() => check(options)).toThrow(message)
})
