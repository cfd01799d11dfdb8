/** What the client says first. */
export interface HandshakeRequestMessage {
  readonly type?: undefined
  readonly protocol: string
  readonly version: number
}

/** What the server answers first. */
export interface HandshakeResponseMessage {
  readonly type?: undefined
  readonly error?: string
  readonly minorVersion?: number
}

type Headers = Readonly<Record<string, string>>

interface Call {
  readonly headers?: Headers
  readonly target: string
  readonly arguments: readonly unknown[]
  readonly streamIds?: readonly string[]
}

export interface InvocationMessage extends Call {
  readonly type: 1
  /** Absent where no answer is expected. */
  readonly invocationId?: string
}

export interface StreamItemMessage {
  readonly type: 2
  readonly headers?: Headers
  readonly invocationId: string
  readonly item: unknown
}

export interface CompletionMessage {
  readonly type: 3
  readonly headers?: Headers
  readonly invocationId: string
  readonly result?: unknown
  readonly error?: string
}

export interface StreamInvocationMessage extends Call {
  readonly type: 4
  readonly invocationId: string
}

export interface CancelInvocationMessage {
  readonly type: 5
  readonly headers?: Headers
  readonly invocationId: string
}

export interface PingMessage {
  readonly type: 6
}

export interface CloseMessage {
  readonly type: 7
  readonly error?: string
  readonly allowReconnect?: boolean
}

export interface AckMessage {
  readonly type: 8
  readonly sequenceId: number
}

export interface SequenceMessage {
  readonly type: 9
  readonly sequenceId: number
}

/** A message of the SignalR hub protocol, with its names; told apart by `type`, which the two handshake messages lack. */
export type SignalRMessage =
  | HandshakeRequestMessage
  | HandshakeResponseMessage
  | InvocationMessage
  | StreamItemMessage
  | CompletionMessage
  | StreamInvocationMessage
  | CancelInvocationMessage
  | PingMessage
  | CloseMessage
  | AckMessage
  | SequenceMessage
