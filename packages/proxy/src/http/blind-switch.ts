import type { IncomingMessage } from 'node:http'
import type { Leg } from '../io/leg.ts'
import { tunnel } from '../io/tunnel.ts'
import { EarlyBytes } from './early-bytes.ts'
import type { Locus } from './http-connection.ts'
import { askToUpgrade, type UpgradeAnswer, writeSwitch } from './upgrade.ts'
import type { UpstreamLink } from './upstream-link.ts'
import type { Doorway } from './web-socket.ts'

/** An upgrade that is no WebSocket, or nobody's: relayed as it is, and tunnelled if upstream agrees. */
export async function upgradeBlindly(door: Doorway, request: IncomingMessage, early: EarlyBytes, locus: Locus): Promise<void> {
  const hasLeft = followEnd(door, early)
  const link = await door.openLink(locus.target)
  if (hasLeft()) return link.destroy()
  await finish(door, request, early, link, await askToUpgrade(request, locus.requestTarget, locus.headers, link))
}

/** A CONNECT that is meant for somebody else's proxy (RFC 9110 §9.3.6): relayed as it is, and tunnelled if that agrees. */
export async function connectBlindly(door: Doorway, request: IncomingMessage, head: Buffer, { target }: Locus): Promise<void> {
  const early = new EarlyBytes(door.client.stream, head)
  const hasLeft = followEnd(door, early)
  const link = await door.openLink(target)
  if (hasLeft()) return link.destroy()
  const onward = link.request('CONNECT', request.url ?? '', request.rawHeaders)
  const { promise, resolve, reject } = Promise.withResolvers<UpgradeAnswer>()
  onward.on('connect', (response, _socket, rest) => resolve({ kind: 'switched', response, head: rest }))
  onward.on('error', reject)
  onward.end()
  await finish(door, request, early, link, await promise)
}

/** While upstream is asked, a client that leaves takes its upstream leg with it; tells whether it has left. */
function followEnd(door: Doorway, early: EarlyBytes): () => boolean {
  const { client } = door
  let left = false
  early.onEnd(() => {
    left = true
    if (client.wasReset) door.link?.leg.reset()
    client.end()
    door.link?.destroy()
  })
  return () => left
}

async function finish(
  door: Doorway,
  request: IncomingMessage,
  early: EarlyBytes,
  { leg }: UpstreamLink,
  answer: UpgradeAnswer,
): Promise<void> {
  const { client } = door
  if (answer.kind === 'failed') return client.endLike(leg)
  const { response } = answer
  if (answer.kind === 'refused' || (request.method === 'CONNECT' && response.statusCode !== 200))
    return door.relayRefusal(request, early, response)
  writeSwitch(client, response, response.rawHeaders)
  putBack(leg, answer.head)
  putBack(client, early.take())
  tunnel(client, leg)
}

function putBack({ stream }: Leg, bytes: Buffer): void {
  if (bytes.length > 0) stream.unshift(bytes)
}
