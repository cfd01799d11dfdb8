import { expect, onTestFinished, test } from 'vitest'
import { type RawPeer, rawClient, rawServer } from '../../test/raw-peer.ts'
import { Leg } from './leg.ts'

async function pair(): Promise<{ leg: Leg; peer: RawPeer }> {
  const server = await rawServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const peer = await rawClient(server.port)
  onTestFinished(() => void peer.socket.destroy())
  return { leg: new Leg((await server.accepted()).socket), peer }
}

test('end() is a FIN behind what was written, and the other direction stays open', async () => {
  const { leg, peer } = await pair()
  leg.stream.write('last words')
  leg.end()
  expect(await peer.ended()).toBe('fin')
  expect(peer.text).toBe('last words')
  peer.socket.write('reply')
  const [reply] = await new Promise<[Buffer]>(resolve => leg.stream.once('data', (...args: [Buffer]) => resolve(args)))
  expect(reply.toString()).toBe('reply')
})

test('reset() is an RST with no FIN before it (T30)', async () => {
  const { leg, peer } = await pair()
  leg.reset()
  expect(await peer.ended()).toBe('rst')
})

test('reset() right behind end() still closes the socket', async () => {
  const { leg } = await pair()
  const closed = new Promise<void>(resolve => leg.raw.once('close', resolve))
  leg.end()
  leg.reset()
  await closed
  expect(leg.closed).toBe(true)
})

test('a leg remembers that its peer reset it', async () => {
  const { leg, peer } = await pair()
  leg.stream.resume()
  const closed = new Promise<void>(resolve => leg.raw.once('close', resolve))
  peer.socket.resetAndDestroy()
  await closed
  expect(leg.wasReset).toBe(true)
})
