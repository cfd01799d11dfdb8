import { openPeers, type Peer } from './peer.ts'
import type { ClientRequest, LaneReply } from './processes.ts'

const peers: Peer[] = []

async function answer(request: ClientRequest): Promise<number> {
  if (request.do === 'open') peers.push(...(await openPeers(request.url, request.count)))
  else if (request.do === 'sink') await peers.at(-1)!.sink(request.size, request.frames)
  else await Promise.all(peers.splice(0).map(peer => peer.close()))
  return peers.length
}

process.on('message', (request: ClientRequest) => {
  const reply = (answer: LaneReply): boolean => process.send!(answer)
  answer(request).then(
    value => reply({ value }),
    error => reply({ error: String(error instanceof Error ? error.stack : error) }),
  )
})
process.once('disconnect', () => process.exit())
