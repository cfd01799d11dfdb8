import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { TestClient } from '../testing/scripted-server.ts'
import { startTestBed, url } from '../testing/test-bed.ts'
import type { TestBed } from '../testing/test-bed.ts'
import { json } from './json.ts'
import { mqtt } from './mqtt.ts'

interface Note {
  readonly n: number
  readonly big?: bigint
}

describe('what the codec cannot encode', () => {
  let bed: TestBed<Note>
  beforeEach(async () => {
    bed = await startTestBed({ codec: json<Note>() })
  })
  afterEach(async () => {
    await bed[Symbol.asyncDispose]()
  })

  /** Runs `declare` and a client that sends one note; the original must come back, and the test fail at the line of the rule. */
  async function failsAt(line: RegExp, declare: () => unknown, reason: RegExp): Promise<void> {
    const { errors } = await bed.run('a test', async () => {
      declare()
      const client = await TestClient.open(url)
      client.socket.send('{"n":  1}')
      const [echoed] = await once(client.socket, 'message')
      expect(String(echoed)).toBe('{"n":  1}')
    })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ message: expect.stringMatching(line) as string })
    expect(errors[0]?.message).toMatch(reason)
    const place = /bad-input\.test\.ts:(\d+)/.exec(errors[0]?.message ?? '')?.[1]
    expect(errors[0]?.stack).toContain(`bad-input.test.ts:${place}`)
  }

  const reason = /codec json could not encode the value: .*BigInt/

  test('fails the test at the line of its patch, and the original passes', () =>
    failsAt(
      /^onClientMessage \(bad-input\.test\.ts:\d+\) on client message 1 of connection \d+/,
      () => bed.proxy.onClientMessage().patch({ big: 1n }),
      reason,
    ))

  test('likewise of a replace, and of a handler', async () => {
    await failsAt(/^onServerMessage \(/, () => bed.proxy.onServerMessage().replace(value => ({ ...value, big: 1n })), reason)
    await failsAt(
      /^onServerMessage \(/,
      () => bed.proxy.onServerMessage().handle(({ n }) => ({ kind: 'replace', value: { n, big: 1n } })),
      reason,
    )
  })

  test('of a message that is sent by the test throws where it is sent', async () => {
    await bed.run('a test', async () => {
      const client = await TestClient.open(url)
      const connection = await bed.proxy.waitForConnection()
      expect(() => connection.sendToClient({ n: 1, big: 1n })).toThrow(reason)
      connection.sendToClient({ n: 2 })
      expect(await client.gets(1)).toEqual([{ n: 2 }])
    })
  })
})

describe('what the codec cannot decode', () => {
  test('passes untouched, is shown with the reason, meets no rule and fails no test', async () => {
    await using bed = await startTestBed({ codec: json<Note>() })
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onClientMessage().optional().drop()
      const client = new WebSocket(url)
      await once(client, 'open')
      client.send('{bad')
      const [echoed] = await once(client, 'message')
      expect(String(echoed)).toBe('{bad')
      expect(bed.proxy.transcript()).toMatch(/text 4 B {2}not decodable: json: .*JSON/)
      const seen = await bed.proxy.waitFor(event => event.kind === 'message' && event.message.undecodable !== undefined)
      expect(seen).toMatchObject({ message: { text: '{bad', undecodable: expect.stringMatching(/^json: /) as string } })
    })
    expect(errors).toEqual([])
  })

  test('does not keep a codec with a state from what follows it', async () => {
    await using bed = await startTestBed({ codec: mqtt() })
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onClientMessage({ cmd: 'pingreq' }).drop()
      const client = new WebSocket(url)
      await once(client, 'open')
      client.send(Buffer.of(0x36, 0x02, 0x00, 0x00))
      client.send(Buffer.of(0xc0, 0x00))
      const [echoed] = await once(client, 'message')
      expect(echoed).toEqual(Buffer.of(0x36, 0x02, 0x00, 0x00))
      await bed.proxy.waitForClientMessage({ cmd: 'pingreq' })
    })
    expect(errors).toEqual([])
  })
})
