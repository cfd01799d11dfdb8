import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { yMessages } from './codec.ts'

// In a thread of its own: Yjs refuses to be loaded twice, and the server's copy is not the clients'.
const server = new Worker(new URL('./server.ts', import.meta.url))
afterAll(() => server.terminate())
const [url] = (await once(server, 'message')) as [string]

const proxy = useInterceptionProxy({ codec: yMessages, route: { 'docs.example.com': url } })

/** A document with its own connection; `person` tells the two apart in the URL of the handshake. */
function open(person: string): { readonly text: Y.Text; readonly provider: WebsocketProvider } {
  const doc = new Y.Doc()
  const room = expect.getState().currentTestName!.replaceAll(/\W+/g, '-')
  const provider = new WebsocketProvider('wss://docs.example.com', room, doc, { params: { person }, disableBc: true })
  onTestFinished(() => provider.destroy())
  return { text: doc.getText(), provider }
}

/** Resolves once all of the words are in the document, in whatever order. */
function says(text: Y.Text, ...words: readonly string[]): Promise<void> {
  return new Promise(resolve => {
    const look = (): void => {
      if (words.every(word => text.toString().includes(word))) resolve()
    }
    text.observe(look)
    look()
  })
}

function synced(provider: WebsocketProvider): Promise<void> {
  return new Promise(resolve => (provider.synced ? resolve() : provider.once('sync', () => resolve())))
}

test('an update that is lost holds up what was written after it, until its author connects again', async () => {
  const [ada, bob] = [open('ada'), open('bob')]
  await Promise.all([synced(ada.provider), synced(bob.provider)])
  const lost = proxy
    .client({ query: { person: 'ada' } })
    .onClientMessage({ step: 'update' })
    .once()
    .drop()

  ada.text.insert(0, 'Hello')
  ada.text.insert(5, ' world')
  const [update] = await Promise.all([proxy.waitForClientMessage({ step: 'update' }, { nth: 2 }), lost.waitForHit()])
  await update.connection.flushed({ to: 'server' })
  await Promise.all(proxy.connections.map(connection => connection.flushed()))
  expect(bob.text.toString()).toBe('') // the second update has arrived, and waits for the first

  update.connection.terminate()
  await says(bob.text, 'Hello world')
  expect(ada.text.toString()).toBe('Hello world')
  expect(proxy.connections.map(({ query }) => query['person'])).toEqual(['ada', 'bob', 'ada'])
})

test('what both sides write while the first answer is on its way comes together', async () => {
  const ada = open('ada')
  await synced(ada.provider)
  const bobs = proxy.client({ query: { person: 'bob' } })
  const answers = bobs.onServerMessage({ step: 'step 2' }).hold()
  const bob = open('bob')
  await answers.next()

  ada.text.insert(0, 'Ada. ')
  bob.text.insert(0, 'Bob. ')
  await says(ada.text, 'Bob.')
  const update = await bobs.waitForServerMessage({ step: 'update' }) // behind the answer
  expect(update.delivered).toBeUndefined()
  expect(bob.provider.synced).toBe(false)
  answers.releaseAll()

  await says(bob.text, 'Ada.')
  expect(bob.text.toString()).toBe(ada.text.toString())
})
