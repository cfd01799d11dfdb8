import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { buildSchema, graphql } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'

const schema = buildSchema(`
  type Query { hello(name: String!): String! }
  type Subscription { countdown(from: Int!): Int! }
`)

const roots = {
  hello: ({ name }: { name: string }) => `Hello, ${name}`,
  async *countdown({ from }: { from: number }) {
    for (let countdown = from; countdown > 0; countdown--) yield { countdown }
  },
}

export interface GraphqlServer extends AsyncDisposable {
  /** Plain `http://127.0.0.1:port`. */
  readonly url: string
}

/** A GraphQL server: subscriptions over WebSocket; over HTTP one operation a line, each answered by a line as soon as it has been read. */
export async function startServer(): Promise<GraphqlServer> {
  const http = createServer((request, response) => {
    answerLines(request, response).catch((error: Error) => response.destroy(error))
  })
  const subscriptions = useServer({ schema, roots: { subscription: roots } }, new WebSocketServer({ server: http, path: '/graphql' }))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      await subscriptions.dispose()
      http.close()
      http.closeAllConnections()
    },
  }
}

async function answerLines(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/jsonl' })
  for await (const line of createInterface({ input: request })) {
    const { query, variables } = JSON.parse(line)
    response.write(`${JSON.stringify(await graphql({ schema, rootValue: roots, source: query, variableValues: variables }))}\n`)
  }
  response.end()
}
