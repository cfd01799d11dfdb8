import type { Client, ClientOptions } from 'graphql-ws'
import { createClient } from 'graphql-ws'

/** The host that the client is deployed against; no test changes it. */
export const endpoint = 'wss://api.example.com/graphql'

/** The client of the application: it retries at once, and whatever happened. */
export function openClient(options: Partial<ClientOptions> = {}): Client {
  // Node's own WebSocket reports a lost socket as an error first, after which graphql-ws would not retry by default.
  return createClient({ url: endpoint, retryWait: async () => {}, shouldRetry: () => true, ...options })
}

/** Subscribes to a countdown and calls `onNumber` with each number. @throws what graphql-ws gives up with */
export async function countdown(client: Client, from: number, onNumber: (n: number) => void): Promise<void> {
  const query = 'subscription ($from: Int!) { countdown(from: $from) }'
  for await (const { data } of client.iterate<{ countdown: number }>({ query, variables: { from } })) if (data) onNumber(data.countdown)
}
