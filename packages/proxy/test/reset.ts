import type { Socket } from 'node:net'

/** RST, at once. Node alone would send a FIN before it, and where the system refuses to reset behind that, the socket would stay open. */
export function reset(socket: Socket): void {
  socket.resetAndDestroy()
  socket.destroy()
}

/** False on Node 22, whose libuv reports an RST that comes right behind data as an end: no program there can tell them apart. */
export const tellsResetBehindData: boolean = Number(process.versions.node.split('.')[0]) >= 24
