import type { Codec } from '@midwire/proxy'
import { delimitedJson } from './delimited-json.ts'
import type { SignalRMessage } from './signalr-message.ts'

export type * from './signalr-message.ts'

/** SignalR's JSON hub protocol: messages that end with U+001E, several in a WebSocket message. */
export function signalR(): Codec<SignalRMessage> {
  return { ...delimitedJson<SignalRMessage>('\x1e'), name: 'signalr' }
}
