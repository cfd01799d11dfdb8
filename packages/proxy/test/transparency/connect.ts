import { once } from 'node:events'
import { Socket } from 'node:net'
import { connectDirectly } from '../../src/capture/nodes-connect.ts'

/** A connection that no proxy takes part in, whatever is captured. */
export async function directly(port: number): Promise<Socket> {
  const socket = new Socket({ allowHalfOpen: true })
  socket.setNoDelay(true)
  connectDirectly(socket, { host: '127.0.0.1', port })
  await once(socket, 'connect')
  return socket
}

export async function captured(port: number): Promise<Socket> {
  const socket = new Socket({ allowHalfOpen: true })
  socket.setNoDelay(true)
  socket.connect({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  return socket
}
