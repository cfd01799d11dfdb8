import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { parentPort } from 'node:worker_threads'
import { WebSocketServer } from 'ws'
import { setupWSConnection } from 'y-websocket/bin/utils'

// y-websocket's own server: a document for each path, in memory.
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
server.on('connection', (socket, request) => setupWSConnection(socket, request))
await once(server, 'listening')
parentPort?.postMessage(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
