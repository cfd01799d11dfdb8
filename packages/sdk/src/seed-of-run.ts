import { MidwireError } from '@midwire/proxy'

/** The seed that the environment gives, to draw again what a failure has drawn. @throws MidwireError MIDWIRE_BAD_INPUT unless an integer */
export function seedFromEnvironment(environment: Readonly<Record<string, string | undefined>> = process.env): number | undefined {
  const { MIDWIRE_SEED: text = '' } = environment
  if (text === '') return undefined
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw new MidwireError('MIDWIRE_BAD_INPUT', `MIDWIRE_SEED: expected an integer, such as a failure shows, got ${JSON.stringify(text)}`)
}
