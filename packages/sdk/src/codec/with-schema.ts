import type { Codec, Decoded, DecodedMessage, UndecodedMessage } from '@midwire/proxy'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { badInput } from '../bad-input.ts'

/**
 * The same codec, for messages of a type that a schema checks: any library that keeps to standard-schema 1 (zod, valibot, arktype). A message that
 * the schema refuses passes untouched, and is journalled as undecodable with what the schema says. Values stay as they were decoded: what a
 * schema would add, strip or transform is not on the wire. What a test sends is not checked.
 *
 * @throws MidwireError MIDWIRE_BAD_INPUT on what is no standard schema, or one that answers with promises
 */
export function withSchema<Schema extends StandardSchemaV1, S = unknown>(
  codec: Codec<unknown, S>,
  schema: Schema,
): Codec<StandardSchemaV1.InferInput<Schema>, S> {
  const { validate, vendor } = standardOf(schema)
  const name = `${codec.name} of a ${vendor} schema`
  type Value = StandardSchemaV1.InferInput<Schema>

  function checked(message: DecodedMessage<unknown> | UndecodedMessage): DecodedMessage<Value> | UndecodedMessage {
    if (message.undecodable !== undefined) return message
    const result = validate(message.value)
    const { bytes } = message
    if (result instanceof Promise) return { undecodable: asynchronous(result), bytes }
    if (result.issues) return { undecodable: result.issues.map(issueText).join(' · '), bytes }
    return message
  }

  return {
    ...codec,
    name,
    decode(bytes, context): Decoded<Value> {
      const { messages, rest } = codec.decode(bytes, context)
      return { messages: messages.map(checked), rest }
    },
    encode: (value, context) => codec.encode(value, context),
  }
}

type Standard = StandardSchemaV1['~standard']

function standardOf(schema: StandardSchemaV1): Pick<Standard, 'validate' | 'vendor'> {
  const standard = (schema as StandardSchemaV1 | undefined)?.['~standard'] as Partial<Standard> | undefined
  if (typeof standard?.validate !== 'function' || standard.version !== 1)
    throw badInput('withSchema(codec, schema): expected a schema with the standard-schema interface, version 1 (zod, valibot, arktype)')
  const { validate, vendor = 'standard' } = standard
  // Some libraries know before the first value that they will answer later.
  const answer = readSafely(() => validate(undefined))
  if (answer instanceof Promise) throw badInput(`withSchema(codec, schema): ${asynchronous(answer)}`)
  return { validate, vendor }
}

function readSafely<R>(fn: () => R): R | undefined {
  try {
    return fn()
  } catch {
    return undefined
  }
}

function asynchronous(answer: Promise<unknown>): string {
  // What it comes to is nobody's business any more.
  answer.catch(() => {})
  return 'the schema is asynchronous: a message is decoded at once, so expected a schema without promises'
}

/** `messages[0].data: Invalid input`. */
function issueText({ message, path = [] }: StandardSchemaV1.Issue): string {
  const keys = path.map(segment => (typeof segment === 'object' ? segment.key : segment))
  const text = keys.map((key, n) => (typeof key === 'number' ? `[${key}]` : `${n === 0 ? '' : '.'}${String(key)}`)).join('')
  return text === '' ? message : `${text}: ${message}`
}
