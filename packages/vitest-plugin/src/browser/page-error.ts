import type { MidwireErrorCode } from '@midwire/sdk'

/** An error of Midwire's, for a page, which has no class for it. */
export function pageError(code: MidwireErrorCode, text: string): Error {
  return Object.assign(new Error(text), { name: `MidwireError [${code}]`, code })
}
