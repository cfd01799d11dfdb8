import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { TestClient } from '../testing/scripted-server.ts'
import { startTestBed, url } from '../testing/test-bed.ts'
import { CodecReader } from '../testing/codec-reader.ts'
import { delimitedJson } from './delimited-json.ts'
import { json } from './json.ts'
import { withSchema } from './with-schema.ts'

const schemas = [
  [
    'zod',
    z.object({ n: z.number(), tags: z.array(z.object({ name: z.string() })).optional() }),
    'n: Invalid input: expected number, received string',
  ],
  [
    'valibot',
    v.object({ n: v.number(), tags: v.optional(v.array(v.object({ name: v.string() }))) }),
    'n: Invalid type: Expected number but received "x"',
  ],
] as const

describe.each(schemas)('a schema of %s', (vendor, schema, issue) => {
  test('lets through what it accepts, as it was decoded', () => {
    const reader = new CodecReader(withSchema(json(), schema))
    expect(reader.push('{"n":1,"more":true}').values).toEqual([{ n: 1, more: true }])
    expect(reader.encode({ n: 2 })).toEqual(['{"n":2}'])
  })

  test('names what it does not accept, and where', () => {
    const reader = new CodecReader(withSchema(delimitedJson('\n'), schema))
    reader.push('{"n":"x"}\n{"n":1}\n{"n":1,"tags":[{"name":"a"},{}]}\nbad\n')
    expect(reader.messages.map(({ undecodable }) => undecodable)).toEqual([
      issue,
      undefined,
      expect.stringMatching(/^tags\[1\]\.name: Invalid/),
      expect.stringContaining('JSON'),
    ])
  })

  test('a message that it does not accept passes, is in the transcript with the reason, and fails nothing', async () => {
    await using bed = await startTestBed({ codec: withSchema(json(), schema) })
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onServerMessage({ n: 2 }).drop()
      const client = await TestClient.open(url)
      for (const message of [{ n: 'x' }, { n: 2 }, { n: 3 }]) client.send(message)
      expect(await client.gets(2)).toEqual([{ n: 'x' }, { n: 3 }])
      await bed.proxy.waitForServerMessage({ n: 3 })
      expect(bed.proxy.transcript()).toContain(`not decodable: json of a ${vendor} schema: ${issue}`)
    })
    expect(errors).toEqual([])
  })
})

describe('a schema that answers later', () => {
  test('is an error at its line, where it says so at once', () => {
    const schema = v.objectAsync({
      n: v.pipeAsync(
        v.number(),
        v.checkAsync(async () => true),
      ),
    })
    expect(() => withSchema(json(), schema)).toThrow(
      expect.objectContaining({
        code: 'MIDWIRE_BAD_INPUT',
        message: expect.stringContaining('the schema is asynchronous') as string,
        stack: expect.stringContaining('with-schema.test.ts') as string,
      }),
    )
  })

  test('is what is said of every message, where it does so only then', () => {
    const reader = new CodecReader(withSchema(json(), z.object({ n: z.number().refine(async () => true) })))
    expect(reader.push('{"n":1}').messages.map(({ undecodable }) => undecodable)).toEqual([
      expect.stringContaining('the schema is asynchronous'),
    ])
  })
})

test.each([undefined, {}, { '~standard': { version: 2, validate: () => ({ value: 1 }) } }])('%j is no schema', schema => {
  expect(() => withSchema(json(), schema as never)).toThrow('expected a schema with the standard-schema interface, version 1')
})
