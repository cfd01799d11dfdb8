import { Agent, get } from 'node:https'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { json } from './codec/json.ts'
import { ProxyControl } from './proxy-control.ts'
import type { InterceptionOptions } from './settings.ts'
import { TestClient } from './testing/scripted-server.ts'
import { host, startTestBed, url } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

interface Note {
  readonly n: number
}

let bed: TestBed<Note>

beforeEach(async () => {
  bed = await startTestBed({ codec: json<Note>() })
})

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
})

async function restart(options: InterceptionOptions<Note>): Promise<void> {
  await bed[Symbol.asyncDispose]()
  bed = await startTestBed({ codec: json<Note>(), ...options })
}

const messages = (errors: readonly Error[]): string[] => errors.map(error => error.message)

describe('a rule of a test that never acted', () => {
  test('fails it, at the rule’s line', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onServerMessage({ n: 1 }).drop()
    })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'MIDWIRE_UNUSED_RULE', name: 'UnusedRule [MIDWIRE_UNUSED_RULE]' })
    expect(errors[0]?.message).toMatch(
      /^onServerMessage \(proxy-control\.test\.ts:\d+\): the rule onServerMessage\(\{ n: 1 \}\)\.drop\(\) never matched; remove it, or say optional\(\)$/,
    )
    expect(errors[0]?.stack?.split('\n')[1]).toContain('proxy-control.test.ts')
  })

  test('says why, where clients went over connections that were open already', async () => {
    const { errors } = await bed.run('a test', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const ask = (path: string): Promise<void> =>
        new Promise((resolve, reject) => {
          get({ host, path, agent }, response => response.resume().on('end', resolve)).on('error', reject)
        })
      await ask('/first')
      bed.proxy.onConnect({ host }).refuse()
      await ask('/second')
      agent.destroy()
    })
    expect(messages(errors)).toEqual([
      expect.stringMatching(
        /onConnect\(\{ host: ".*" \}\)\.refuse\(\) never matched: GET https:\/\/.*\/second went over a connection that was open before; let/,
      ),
    ])
  })

  test('is reported as shadowed where a newer rule decided', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onClientMessage({ n: 1 }).drop()
      bed.proxy.onClientMessage().named('newer').drop()
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      await bed.proxy.waitForClientMessage()
    })
    expect(messages(errors)).toEqual([
      expect.stringMatching(/matched once but was shadowed by "newer" \(proxy-control\.test\.ts:\d+\), which was asked first and decided$/),
    ])
  })

  test('is told to wait for a match that did not come', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onClientMessage().nth(2).drop()
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      await client.gets(1)
    })
    expect(messages(errors)).toEqual([expect.stringContaining('matched once but never acted: it waits for match 2')])
  })

  test('fails nothing if it observes, is optional, was declared in a hook or in a block around', async () => {
    const { errors } = await bed.run(
      'a block',
      async block => {
        bed.proxy.onMessage().drop()
        const inner = await bed.run(
          'a test',
          async () => {
            bed.proxy.onMessage().observe(() => {})
            bed.proxy.onMessage().optional().drop()
          },
          { parent: block },
        )
        expect(inner.errors).toEqual([])
        const hook = await bed.run('a hook', async () => void bed.proxy.onMessage().drop(), { parent: block, inHook: true })
        expect(hook.errors).toEqual([])
      },
      { kind: 'block' },
    )
    expect(errors).toEqual([])
  })

  test('only warns, or says nothing, where that was asked for', async () => {
    await restart({ unusedRules: 'warn' })
    expect((await bed.run('a test', async () => void bed.proxy.onMessage().drop())).errors).toEqual([])
    expect(bed.warnings).toEqual([expect.stringContaining('onMessage().drop() never matched')])
    await restart({ unusedRules: 'ignore' })
    expect((await bed.run('a test', async () => void bed.proxy.onMessage().drop())).errors).toEqual([])
    expect(bed.warnings).toEqual([])
  })

  test('is a line of the transcript where the test had failed already', async () => {
    const { errors, scope, thrown } = await bed.runFailing('a test', async () => {
      bed.proxy.onServerMessage({ n: 1 }).drop()
      throw new Error('its own')
    })
    expect([errors, thrown]).toEqual([[], new Error('its own')])
    expect(bed.control.transcript(scope)).toMatch(
      /also: onServerMessage \(.*\): the rule onServerMessage\(\{ n: 1 \}\)\.drop\(\) never matched/,
    )
  })
})

describe('a builder without a verb', () => {
  test('fails the test, naming its line', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onClientMessage({ n: 1 }).once().named('x')
    })
    expect(messages(errors)).toEqual([
      expect.stringMatching(/^onClientMessage\(…\) at .*proxy-control\.test\.ts:\d+ has no verb, so it is no rule; end it with drop\(\)/),
    ])
  })

  test('is brought to its end by a verb on anything derived from it', async () => {
    const { errors } = await bed.run('a test', async () => {
      const base = bed.proxy.onClientMessage({ n: 1 })
      base.named('never ended')
      base.once().optional().drop()
    })
    expect(errors).toEqual([])
  })
})

describe('a function of a rule', () => {
  test.each([
    [
      'a handler that throws',
      () =>
        bed.proxy.onClientMessage().handle(() => {
          throw new Error('broken')
        }),
    ],
    ['a handler that rejects', () => bed.proxy.onClientMessage().handle(() => Promise.reject(new Error('broken')))],
    [
      'an observer that throws',
      () =>
        bed.proxy.onClientMessage().observe(() => {
          throw new Error('broken')
        }),
    ],
    ['an observer that rejects', () => bed.proxy.onClientMessage().observe(() => Promise.reject(new Error('broken')))],
    [
      'a patch that throws',
      () =>
        bed.proxy.onClientMessage().patch(() => {
          throw new Error('broken')
        }),
    ],
    [
      'a predicate that throws',
      () =>
        bed.proxy
          .onClientMessage(() => {
            throw new Error('broken')
          })
          .optional()
          .drop(),
    ],
  ])('%s fails the test with the rule’s line, and its message passes', async (_what, declare) => {
    const { errors } = await bed.run('a test', async () => {
      declare()
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      expect(await client.gets(1)).toEqual([{ n: 1 }])
    })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'MIDWIRE_RULE_FAILED' })
    expect(errors[0]?.message).toMatch(/proxy-control\.test\.ts:\d+\).*broken/)
    expect(errors[0]?.stack?.split('\n')[1]).toContain('proxy-control.test.ts')
  })

  test('that never answers fails the test after decisionTimeout, and its message passes (T11)', async () => {
    await restart({ decisionTimeout: 5 })
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onClientMessage().handle(() => new Promise(() => {}))
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      expect(await client.gets(1)).toEqual([{ n: 1 }])
    })
    expect(errors).toHaveLength(1)
    expect(errors[0]?.message).toMatch(/proxy-control\.test\.ts:\d+/)
  })
})

describe('a scope', () => {
  test('does not see the traffic of the test before it', async () => {
    await bed.run('one', async () => {
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      await client.gets(1)
    })
    const { errors } = await bed.run('two', async () => {
      await bed.proxy.expectNoClientMessage()
      expect([bed.proxy.connections, bed.proxy.requests, bed.proxy.hosts]).toEqual([[], [], []])
    })
    expect(errors).toEqual([])
  })

  test('sees a shared connection of the block around it, from its own start', async () => {
    await bed.run(
      'a block',
      async block => {
        const client = await TestClient.open(url)
        client.send({ n: 1 })
        await client.gets(1)
        const { errors } = await bed.run(
          'a test',
          async () => {
            expect(bed.proxy.connection.url).toBe(url)
            const dropped = bed.proxy.onClientMessage({ n: 2 }).drop()
            client.send({ n: 2 })
            await bed.proxy.expectNoClientMessage({ n: 1 })
            await dropped.waitForHit()
          },
          { parent: block },
        )
        expect(errors).toEqual([])
        client.send({ n: 2 })
        expect(await client.gets(2)).toEqual([{ n: 1 }, { n: 2 }])
      },
      { kind: 'block' },
    )
  })

  test('releases what it held when it ends, and closes its connections', async () => {
    let client: TestClient | undefined
    const { errors } = await bed.run('a test', async () => {
      const held = bed.proxy.onServerMessage().hold()
      client = await TestClient.open(url)
      client.send({ n: 1 })
      await held.next()
    })
    expect(errors).toEqual([])
    expect(client?.received).toEqual([{ n: 1 }])
    expect(await client?.closed).toEqual({ code: 1001, reason: '' })
  })

  test('that has ended says so to who still uses the proxy', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let later: Promise<unknown> = Promise.resolve()
    await bed.run('the first', async () => {
      later = promise.then(() => bed.proxy.onMessage().drop())
    })
    resolve()
    await expect(later).rejects.toThrow('the proxy is used from "the first", which has ended; await everything that a test starts')
  })

  test('with leaks failing is failed by a connection that it leaves open, and not by one that it closed', async () => {
    await restart({ leaks: 'fail' })
    const { errors } = await bed.run('a test', async () => {
      const closed = await TestClient.open(url)
      closed.socket.close()
      await closed.closed
      await bed.proxy.waitFor(event => event.kind === 'end')
      await TestClient.open(url)
    })
    expect(messages(errors)).toEqual([`connection 2 (${url}) was still open when its test ended; close its client in the test`])
  })

  test('whose client connects after its end leaks into the block around it, with the line (T97)', async () => {
    await restart({ leaks: 'fail' })
    let reconnect = (): TestClient => new TestClient(url)
    const { errors } = await bed.run(
      'a block',
      async block => {
        await bed.run(
          'a test',
          async scope => {
            reconnect = () => bed.engine.run(scope, () => new TestClient(url))
          },
          { parent: block },
        )
        await expect(reconnect().opened).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      },
      { kind: 'block' },
    )
    expect(messages(errors)).toEqual([
      expect.stringMatching(/^a client of an ended test connected to notes\.example\.com:443 at .*; stop it in the test that started it$/),
    ])
  })
})

describe('two tests at once', () => {
  test('with deciding rules on one shared connection are told so by name, both', async () => {
    await bed.run(
      'a block',
      async block => {
        const client = await TestClient.open(url)
        const both = Promise.withResolvers<void>()
        const decideOn = (n: number) => async (): Promise<void> => {
          const rule = bed.proxy.onClientMessage({ n }).drop()
          client.send({ n })
          await rule.waitForHit()
          if (n === 2) both.resolve()
          await both.promise
        }
        const [one, two] = await Promise.all([
          bed.run('the first', decideOn(1), { parent: block }),
          bed.run('the second', decideOn(2), { parent: block }),
        ])
        expect(messages([...one.errors, ...two.errors])).toEqual([
          expect.stringMatching(/^connection 1 belongs to "a block", and two tests .*"the first".*"the second"/),
          expect.stringMatching(/^connection 1 belongs to "a block", and two tests .*"the first".*"the second"/),
        ])
      },
      { kind: 'block' },
    )
  })

  test('are told nothing else: that one of them never acted has its reason there', async () => {
    await bed.run(
      'a block',
      async block => {
        const client = await TestClient.open(url)
        const isDone = Promise.withResolvers<void>()
        const [one, two] = await Promise.all([
          bed.run(
            'the first',
            async () => {
              const rule = bed.proxy.onClientMessage({ n: 1 }).drop()
              client.send({ n: 1 })
              await rule.waitForHit()
              isDone.resolve()
            },
            { parent: block },
          ),
          bed.run(
            'the second',
            async () => {
              bed.proxy.onClientMessage({ n: 2 }).drop()
              await isDone.promise
            },
            { parent: block },
          ),
        ])
        expect([one.errors.length, two.errors.length]).toEqual([1, 1])
        expect(messages(two.errors)).toEqual([expect.stringContaining('connection 1 belongs to "a block"')])
      },
      { kind: 'block' },
    )
  })

  test('with connections of their own, or one after the other on a shared one, are not', async () => {
    await bed.run(
      'a block',
      async block => {
        const shared = await TestClient.open(url)
        const drop = (client: TestClient, n: number) => async (): Promise<void> => {
          const rule = bed.proxy.onClientMessage({ n }).drop()
          client.send({ n })
          await rule.waitForHit()
        }
        const alone = (n: number) => async (): Promise<void> => drop(await TestClient.open(url), n)()
        const runs = [
          await bed.run('one', drop(shared, 1), { parent: block }),
          await bed.run('two', drop(shared, 2), { parent: block }),
          ...(await Promise.all([bed.run('three', alone(3), { parent: block }), bed.run('four', alone(4), { parent: block })])),
        ]
        expect(runs.flatMap(({ errors }) => errors)).toEqual([])
      },
      { kind: 'block' },
    )
  })
})

describe('the proxy', () => {
  test('used outside of a test is an error at its line', () => {
    const { proxy } = new ProxyControl({
      currentScope: () => undefined,
      timeLeft: () => undefined,
      testName: () => undefined,
      lateFailure() {},
      warn() {},
    })
    for (const use of [() => proxy.onMessage(), () => proxy.connection, () => proxy.mark(), () => proxy.url]) {
      expect(use).toThrow('the proxy is used outside of a test or hook')
    }
    expect(() => bed.proxy.onMessage()).toThrow('the proxy is used outside of a test or hook')
  })

  test('names the open connections where one was expected', async () => {
    const { thrown } = await bed.runFailing('a test', async () => {
      expect(() => bed.proxy.connection).toThrow('proxy.connection: no connection is open; expected exactly one.')
      await TestClient.open(url)
      await TestClient.open(`${url}?second`)
      void bed.proxy.connection
    })
    expect(String(thrown)).toMatch(
      /2 connections are open; expected exactly one.*\n {2}connection 1 .*v1 {2}open\n {2}connection 2 .*second {2}open$/,
    )
    expect(thrown.stack?.split('\n    at ')[1]).toContain('proxy-control.test.ts')
  })

  test('has other ways in, whose traffic belongs to the test', async () => {
    const { errors } = await bed.run('a test', async () => {
      expect(bed.proxy.certificate).toContain('BEGIN CERTIFICATE')
      expect(bed.proxy.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
      const client = await TestClient.open(bed.proxy.urlFor('wss://notes.example.com/v1'))
      client.send({ n: 1 })
      expect((await bed.proxy.waitForClientMessage()).connection.url).toBe('wss://notes.example.com/v1')
    })
    expect(errors).toEqual([])
  })
})
