import { json } from '@midwire/sdk'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestContext } from 'vitest'
import { executablePath, skipReason } from './chromium.ts'
import { startServer } from './server.ts'

interface News {
  readonly action?: string
  readonly text?: string
  readonly n?: number
}

declare global {
  var send: (text: string) => void
  var load: () => Promise<void>
  var listen: () => void
}

const server = await startServer()
afterAll(() => server[Symbol.asyncDispose]())

const proxy = useInterceptionProxy({
  codec: json<News>(),
  route: { 'news.example.com': server.url },
  streams: [{ path: '/feed' }],
})

describe.skipIf(executablePath === undefined)(`a page in Chromium${skipReason}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ ...(executablePath !== undefined && { executablePath }), ...proxy.launchOptions() })
  })
  afterAll(() => browser.close())

  /** Opens a URL in a browser context of this test's own. */
  async function open(url: string, { onTestFinished }: TestContext): Promise<Page> {
    const context = await browser.newContext(proxy.contextOptions())
    onTestFinished(() => context.close())
    const page = await context.newPage()
    await page.goto(url)
    return page
  }

  /** The lines that the page shows, once there are so many. */
  async function shown(page: Page, count: number): Promise<string[]> {
    await page.locator(`li:nth-child(${count})`).waitFor({ state: 'attached' })
    return page.locator('li').allTextContents()
  }

  test.for(['https', 'http'])('sends a lost message again on the next connection, over %s', async (scheme, context) => {
    proxy.onClientMessage({ action: 'MESSAGE' }).once().drop().thenTerminate()
    const page = await open(`${scheme}://news.example.com/`, context)
    await page.evaluate(() => globalThis.send('hello'))

    const again = await proxy.waitForClientMessage({ action: 'MESSAGE' }, { nth: 2 })
    expect(again.value.text).toBe('hello')
    expect(again.connection).toMatchObject({ attempt: 2, host: 'news.example.com', port: scheme === 'https' ? 443 : 80 })
    expect(await shown(page, 1)).toEqual(['ACK hello'])
  })

  test('asks again when fetch got a 503, and shows what the server said then', async context => {
    proxy.onRequest({ path: '/items' }).patchResponse({ json: ['three'] })
    proxy.onRequest({ path: '/items' }).times(2).respondWith(503)
    const page = await open('https://news.example.com/', context)
    await page.evaluate(() => globalThis.load())
    expect(await shown(page, 1)).toEqual(['items ["three"]'])
    const items = proxy.requests.filter(({ path }) => path === '/items')
    expect(items.map(({ decision }) => decision)).toEqual(['respondWith', 'respondWith', 'patchResponse'])
  })

  test('goes on listening behind the last event that it got', async context => {
    const third = proxy.onServerMessage({ n: 3 }).once().hold()
    const page = await open('https://news.example.com/', context)
    await page.evaluate(() => globalThis.listen())
    await shown(page, 2)
    const { connection } = await third.next()
    connection.terminate()

    const second = await proxy.waitForRequest({ path: '/feed' }, { nth: 2 })
    expect(second.headers['last-event-id']).toBe('2')
    expect(await shown(page, 3)).toEqual(['event 1 {"n":1}', 'event 2 {"n":2}', 'event 3 {"n":3}'])
  })

  test.concurrent.for(['alice', 'bob'])('belongs to the test that opened it: %s', async (name, context) => {
    const hello = { action: 'MESSAGE', text: name }
    proxy
      .onServerMessage({ action: 'ACK' })
      .once()
      .patch({ action: `ACK of ${name}:` })
    const page = await open('https://news.example.com/', context)
    const { expect } = context
    await page.evaluate(text => globalThis.send(text), name)
    expect(await shown(page, 1)).toEqual([`ACK of ${name}: ${name}`])
    await proxy.waitForClientMessage(hello)
    await proxy.expectNoClientMessage(value => value.text !== name)
    expect(proxy).toHaveConnected(1)
  })

  test('sees a server that is away, and one that hangs up', async context => {
    proxy.onConnect({ host: 'away.example.com' }).refuse()
    proxy.onConnect({ host: 'gone.example.com' }).hangUp()
    await expect(open('https://away.example.com/', context)).rejects.toThrow('net::ERR_')
    await expect(open('https://gone.example.com/', context)).rejects.toThrow('net::ERR_')
  })
})
