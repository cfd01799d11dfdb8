import type { TcpNetConnectOpts } from 'node:net'
import type { ConnectFailure } from '../capture/connect-failure.ts'
import type { PortableTls } from '../tls/portable-tls.ts'
import type { PortableError } from './portable-error.ts'

/** How a client can ask to be connected, as far as another process can do so. */
export const dialKeys = ['family', 'hints', 'localAddress', 'localPort', 'autoSelectFamily', 'autoSelectFamilyAttemptTimeout'] as const

/** A connection that code of a child wants to open. */
export interface Opening {
  readonly host: string
  readonly port: number
  readonly dial: Pick<TcpNetConnectOpts, (typeof dialKeys)[number]>
  /** It brings a `lookup` of its own, which can be asked only there. */
  readonly looksUp: boolean
  /** What it said of TLS, if it has begun that. */
  readonly tls?: ChildTls
}

export interface ChildTls {
  readonly options: PortableTls
  /** Why it cannot be made to trust the authority. */
  readonly obstacle: string | undefined
}

export interface FoundAddress {
  readonly address: string
  readonly family: number
}

/** What a child tells, about the connection `id` of its own counting. */
export type FromChild =
  /** The first of all; the token says whose child it is. */
  | { readonly kind: 'hello'; readonly token: string; readonly pid: number }
  | ({ readonly kind: 'open'; readonly id: number } & Opening)
  | { readonly kind: 'tls'; readonly id: number; readonly tls: ChildTls }
  | { readonly kind: 'found'; readonly id: number; readonly addresses: readonly FoundAddress[] }
  | { readonly kind: 'notFound'; readonly id: number; readonly error: PortableError }
  /** Its socket connects to us from this port of the loopback address. */
  | { readonly kind: 'landing'; readonly id: number; readonly localPort: number }
  /** The answer to `sync`, behind all that was told before. */
  | { readonly kind: 'synced'; readonly id: number }
  | { readonly kind: 'gone'; readonly id: number }

/** What it is told. */
export type ToChild =
  | { readonly kind: 'lookUp'; readonly id: number }
  | { readonly kind: 'sync'; readonly id: number }
  | { readonly kind: 'step'; readonly id: number; readonly step: string; readonly args: readonly unknown[] }
  | { readonly kind: 'accept'; readonly id: number; readonly peer: PeerAddress | undefined }
  | { readonly kind: 'fail'; readonly id: number; readonly error: PortableError }
  | { readonly kind: 'attempt'; readonly id: number }
  | ({ readonly kind: 'failAttempts'; readonly id: number; readonly error: PortableError } & Pick<ConnectFailure, 'addresses' | 'begun'>)
  | { readonly kind: 'failLookup'; readonly id: number; readonly error: PortableError }

export interface PeerAddress {
  readonly address: string | undefined
  readonly port: number | undefined
  readonly family: string | undefined
}
