import type { Codec } from '@midwire/sdk'

const types = ['sync', 'awareness', 'auth', 'query awareness'] as const
const steps = ['step 1', 'step 2', 'update'] as const

/** A message of y-websocket: its type, for a sync message the step (y-protocols/sync), and what follows. */
export interface YMessage {
  readonly type: (typeof types)[number]
  readonly step?: (typeof steps)[number]
  readonly rest: Uint8Array
}

/** y-websocket's messages: a number says the type, and for a sync message a second one the step. */
export const yMessages: Codec<YMessage> = {
  name: 'y-websocket',
  stateless: true,
  decode(bytes) {
    const type = types[bytes[0] ?? -1]
    if (!type) throw new RangeError(`no message of y-websocket begins with ${bytes[0]}`)
    const step = type === 'sync' ? steps[bytes[1] ?? -1] : undefined
    const value = step ? { type, step, rest: bytes.subarray(2) } : { type, rest: bytes.subarray(1) }
    return { messages: [{ value, bytes }], rest: new Uint8Array(0) }
  },
  encode({ type, step, rest }) {
    return Uint8Array.from([types.indexOf(type), ...(step ? [steps.indexOf(step)] : []), ...rest])
  },
}
