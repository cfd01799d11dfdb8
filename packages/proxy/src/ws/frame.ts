/** RFC 6455 §5.2, opcode. */
export const Opcode = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const
export type Opcode = (typeof Opcode)[keyof typeof Opcode]

/** RFC 6455 §7.4.1, the codes Midwire itself sends or names. */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  noStatus: 1005,
  abnormal: 1006,
  invalidPayload: 1007,
  tooBig: 1009,
} as const

/** RFC 6455 §5.5: opcodes with the highest bit set are control frames. */
export function isControl(opcode: number): boolean {
  return (opcode & 0x8) !== 0
}
