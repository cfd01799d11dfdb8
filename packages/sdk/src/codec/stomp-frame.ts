/** Headers of a frame: those that its command asks for, and any others. */
type Headers<Known> = Known & { readonly [name: string]: string | undefined }

interface Frame<Command extends string, Known> {
  readonly command: Command
  readonly headers: Headers<Known>
  /** Text where it is UTF-8. @default '' */
  readonly body?: string | Uint8Array
}

interface Receipt {
  readonly receipt?: string
}

interface Transaction extends Receipt {
  readonly transaction: string
}

interface Connect {
  readonly 'accept-version'?: string
  readonly host?: string
  readonly login?: string
  readonly passcode?: string
  readonly 'heart-beat'?: string
}

interface Acknowledgement extends Receipt {
  readonly id: string
  readonly transaction?: string
}

/** A frame of STOMP 1.2, told apart by `command`. */
export type StompFrame =
  | Frame<'CONNECT', Connect>
  | Frame<'STOMP', Connect>
  | Frame<'CONNECTED', { readonly version: string; readonly session?: string; readonly server?: string; readonly 'heart-beat'?: string }>
  | Frame<'SEND', Receipt & { readonly destination: string; readonly transaction?: string; readonly 'content-type'?: string }>
  | Frame<'SUBSCRIBE', Receipt & { readonly destination: string; readonly id: string; readonly ack?: string }>
  | Frame<'UNSUBSCRIBE', Receipt & { readonly id: string }>
  | Frame<'ACK', Acknowledgement>
  | Frame<'NACK', Acknowledgement>
  | Frame<'BEGIN', Transaction>
  | Frame<'COMMIT', Transaction>
  | Frame<'ABORT', Transaction>
  | Frame<'DISCONNECT', Receipt>
  | Frame<'MESSAGE', { readonly destination: string; readonly 'message-id': string; readonly subscription: string; readonly ack?: string }>
  | Frame<'RECEIPT', { readonly 'receipt-id': string }>
  | Frame<'ERROR', { readonly message?: string; readonly 'receipt-id'?: string }>
  /** An end of line between frames. */
  | { readonly command: 'heart-beat'; readonly headers?: undefined; readonly body?: undefined }
