/** One end of a connection: the program under test, or what it talks to. */
export type Side = 'client' | 'server'

/** The side that receives what `side` sends. */
export function other(side: Side): Side {
  return side === 'client' ? 'server' : 'client'
}
