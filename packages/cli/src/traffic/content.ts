import { isUtf8 } from 'node:buffer'
import type { Exchange, Message } from '@midwire/proxy'
import { describeValue } from '@midwire/proxy'
import type { Disclosure } from './disclosure.ts'

/** A body as it may be shown: text where it is one, else base64. */
export interface ShownContent {
  readonly text: string
  readonly encoding?: 'base64'
}

/** `undefined` where the body is not to be had. */
export function showBody(body: Uint8Array | undefined, disclosure: Disclosure): ShownContent | undefined {
  if (!body) return undefined
  if (isUtf8(body)) return { text: disclosure.text(Buffer.from(body).toString()) }
  return { text: Buffer.from(body).toString('base64'), encoding: 'base64' }
}

/** Names and values in turn, as pairs. */
export function headerPairs(rawHeaders: readonly string[], disclosure: Disclosure): [name: string, value: string][] {
  const pairs: [string, string][] = []
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const [name = '', value = ''] = rawHeaders.slice(n, n + 2)
    pairs.push([name, disclosure.header(name, value)])
  }
  return pairs
}

/** What the client got of an exchange: upstream's answer, or another in its place. */
export function answerOf(exchange: Exchange): Exchange['response'] {
  return exchange.delivered ?? exchange.response
}

/** What is known of a message beyond its bytes, in one line. */
export function showMessage(message: Message, disclosure: Disclosure): string {
  if (message.evicted) return '(no longer kept)'
  if (message.undecodable !== undefined) return `${preview(message.bytes, disclosure)}  (${message.undecodable})`
  const { value } = message
  if (value instanceof Uint8Array) return preview(value, disclosure)
  const shown = disclosure.value(value)
  return typeof shown === 'string' ? oneLine(shown) : describeValue(shown)
}

/** The beginning of some bytes: as text where they are one. */
export function preview(bytes: Uint8Array, disclosure: Disclosure): string {
  if (isUtf8(bytes)) return oneLine(disclosure.text(Buffer.from(bytes).toString()))
  return Buffer.from(bytes.subarray(0, 24))
    .toString('hex')
    .replace(/(..)(?=.)/g, '$1 ')
    .concat(bytes.length > 24 ? ' …' : '')
}

/** A text on one line, without what would move a terminal's cursor. */
export function oneLine(text: string): string {
  const flat = text.slice(0, 2000).replace(/\s*\n\s*/g, ' ')
  const safe = harmless(flat)
  return text.length > 2000 ? `${safe}…` : safe
}

/** A text without control characters, which could be commands to a terminal; line feeds and tabs stay. */
export function harmless(text: string): string {
  return text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, char => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
