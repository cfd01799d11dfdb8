import type { Socket } from 'node:net'

/** RST, at once. Node alone would send a FIN before it, and where the system refuses to reset behind that, the socket would stay open. */
export function reset(socket: Socket): void {
  socket.resetAndDestroy()
  socket.destroy()
}
