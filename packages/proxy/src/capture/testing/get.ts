import http from 'node:http'

/** The body of an answer, asked for on a connection of its own. */
export function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // By the module's own name, which is what msw replaces.
    http
      .get(url, { agent: false }, response => {
        let body = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
        response.on('end', () => resolve(body))
      })
      .on('error', reject)
  })
}
