import type { Message } from './message.ts'
import type { ControlFrame } from './rule/rule.ts'
import type { Scope } from './scope.ts'
import type { Side } from './side.ts'

/** 'opening' until the 101 was written to the client; 'closing' from the first close frame; 'closed' when both legs have ended. */
export type ConnectionState = 'opening' | 'open' | 'closing' | 'closed'

/** What carries the messages: a WebSocket, server-sent events, a body of lines, long polling, or bodies framed in a way of one's own. */
export type Transport = 'websocket' | 'sse' | 'lines' | 'polling' | 'http'

export interface SendOptions {
  /** 'tail' joins the queue behind what is held or delayed; 'now' overtakes it. @default 'tail' */
  readonly at?: 'tail' | 'now'
}

export interface TerminateOptions {
  /** `false` ends TLS without the close-notify alert that should come before the FIN (RFC 8446 §6.1). @default true */
  readonly closeNotify?: boolean
}

export interface RawSendOptions extends SendOptions {
  /** Binary or text. @default text for a string, binary for bytes */
  readonly binary?: boolean
}

/** One WebSocket of a client, or one declared stream of messages over HTTP, with the upstream leg behind it. */
export interface Connection {
  /** From 1, in the order of their handshakes, over the whole proxy. */
  readonly id: number
  /** Handshakes of this scope's tree to that host so far, this one included: 1 is the first. */
  readonly attempt: number
  readonly scope: Scope
  /** 'http' for a declared stream until its first response tells more. */
  readonly transport: Transport
  /** Host as the client meant it, without the port. */
  readonly host: string
  readonly port: number
  /** As the client meant it, whatever `route` or `redirect` did. */
  readonly url: string
  readonly path: string
  /** Repeated keys become arrays. */
  readonly query: Readonly<Record<string, string | string[]>>
  /** Request headers, lower-cased; repeated ones joined as Node does. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Request headers as sent: names and values in turn, in order and case. */
  readonly rawHeaders: readonly string[]
  /** The subprotocol that upstream selected, or ''. */
  readonly protocol: string
  readonly state: ConnectionState
  /** When its upgrade request arrived, in ms since the proxy started. */
  readonly at: number

  /** Encodes with the codec and writes at the tail, or overtaking what is held; meets no rule. @throws MidwireError if closed or not encodable. */
  sendToClient(value: unknown, options?: SendOptions): void
  sendToServer(value: unknown, options?: SendOptions): void
  /** Writes these bytes as one message, with no codec: what it carries may be what no peer should send. A string leaves as text. */
  sendRawToClient(bytes: Uint8Array | string, options?: RawSendOptions): void
  sendRawToServer(bytes: Uint8Array | string, options?: RawSendOptions): void
  /** Writes a ping at the next frame boundary, overtaking what is held; its pong is swallowed. @throws MidwireError on a payload over 125 bytes */
  sendPing(options?: { readonly to?: Side; readonly payload?: Uint8Array | string }): void
  /**
   * Resolves when the receiver has taken everything that was written to it until now: a ping behind it all, whose pong is swallowed.
   * What is held keeps it waiting. A client for which a ping is activity sees activity. @throws MidwireError if the connection ends first, and on a stream over HTTP, where nobody answers
   */
  flushed(options?: { readonly to?: Side }): Promise<void>
  /** Writes a close frame (RFC 6455 §5.5.1); the reply is swallowed. @throws MidwireError on a code that must not be sent, or a reason over 123 bytes. */
  close(code?: number, reason?: string, options?: { readonly to?: Side | 'both' }): void
  /** Ends both legs with FIN and no close frame; what is held is discarded, with a journal line. */
  terminate(options?: TerminateOptions): void
  /** Ends both legs with RST. */
  reset(): void
  /**
   * From now on nothing passes: no byte, no ping, no end. What arrives waits in order, and reading stops when that is much. How an
   * owner ends it meanwhile shows when it thaws: on `thaw()`, or when the test ends that froze it. `terminate` and `reset` still act.
   * @throws MidwireError if closed
   */
  freeze(options?: { readonly from?: Side }): void
  /** What has waited goes on, in order. */
  thaw(options?: { readonly from?: Side }): void
  /** Since which place in the journal nothing that this side sends has passed; `undefined` while it is not frozen. */
  frozenSince(from: Side): number | undefined
  /** Calls `fn` once what this side sent goes on, or (`passes` is false) is lost with its connection. Called by messages. */
  onThaw(from: Side, fn: (passes: boolean) => void): void
  /** Lets a held message go. Called by the handle of its rule. */
  release(message: Message): void
  /** Lets a held ping, pong or close frame go. */
  releaseFrame(frame: ControlFrame): void
}
