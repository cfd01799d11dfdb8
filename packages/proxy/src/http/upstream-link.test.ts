import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { rawClient, rawServer } from '../../test/raw-peer.ts'
import { Leg } from '../io/leg.ts'
import { UpstreamLink } from './upstream-link.ts'

test('what is asked on a connection that has ended fails, also where it has waited for its turn', async () => {
  const server = await rawServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const { socket } = await rawClient(server.port)
  const link = new UpstreamLink(new Leg(socket))
  const failure = async (path: string): Promise<string> => {
    const request = link.request('GET', path, ['Host', 'a'])
    request.end()
    const [error] = (await once(request, 'error')) as [Error]
    return error.message
  }
  const first = link.request('GET', '/1', ['Host', 'a'])
  first.on('error', () => {}).end()
  await (await server.accepted()).untilText('/1')
  const waiting = once(link.request('GET', '/2', ['Host', 'a']).end(), 'error') as Promise<[Error]>
  link.destroy()
  expect((await waiting)[0].message).toContain('has ended')
  expect(await failure('/3')).toContain('has ended')
})
