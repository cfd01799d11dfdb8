/** What travels over a link in one direction, in order. */
export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** How the sender ended: FIN, RST, or by closing its socket altogether. */
  | { readonly kind: 'end'; readonly how: 'fin' | 'rst' | 'gone' }
  /** The network itself ends the connection, for both sides. */
  | { readonly kind: 'cut'; readonly how: 'fin' | 'rst' }

/** A piece at the head of a queue. */
export interface Head {
  readonly piece: Piece
  /** ms since the proxy started. */
  readonly arrived: number
}

/** Bytes of a piece; an end has none. */
export function sizeOf(piece: Piece): number {
  return piece.kind === 'bytes' ? piece.bytes.length : 0
}
