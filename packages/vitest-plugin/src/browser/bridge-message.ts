import type { CallSite } from '@midwire/sdk'
import type { WireNews, WireReply, WireRequest } from './wire-value.ts'

/** To the thread in which a page's proxy runs. */
export type BridgeToEngine =
  | { readonly kind: 'request'; readonly request: WireRequest; readonly site: CallSite | undefined }
  | { readonly kind: 'gone' }

/** From the thread in which a page's proxy runs. */
export type EngineToBridge =
  | { readonly kind: 'reply'; readonly reply: WireReply }
  | { readonly kind: 'news'; readonly news: WireNews }
  /** From now on the page's connections go to this port; `undefined`: to where they would go by themselves. */
  | { readonly kind: 'lead'; readonly port: number | undefined }
