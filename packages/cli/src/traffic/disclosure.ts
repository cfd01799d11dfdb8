import { redactHeader, redactText, redactUrl, redactValue } from './redact.ts'

/** What may be shown of the traffic. */
export interface Disclosure {
  header(name: string, value: string): string
  url(url: string): string
  text(text: string): string
  value(value: unknown): unknown
}

/** Without secrets. */
export const discreet: Disclosure = { header: redactHeader, url: redactUrl, text: redactText, value: redactValue }

/** As it is. */
export const open: Disclosure = { header: (_, value) => value, url: url => url, text: text => text, value: value => value }
