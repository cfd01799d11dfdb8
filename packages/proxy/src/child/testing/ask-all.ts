// Has each client ask each server, and writes what it got: run by a child with and without us.
import { type ClientOptions, clients } from '../../capture/testing/clients.ts'
import { describeError } from '../../capture/testing/describe-error.ts'
import { lookupOf } from '../../capture/testing/servers.ts'

interface Question {
  readonly name: string
  readonly origin: string
  readonly options?: ClientOptions
}

const at = JSON.parse(process.argv[2] ?? '') as Record<'plain' | 'plain6' | 'secure' | 'dead' | 'greeting' | 'closing', number>
const ca = process.argv[3] ?? ''
const here = lookupOf('127.0.0.1')

const questions: readonly Question[] = [
  { name: 'a server', origin: `http://127.0.0.1:${at.plain}` },
  { name: 'a server by name', origin: `http://localhost:${at.plain}` },
  { name: 'a server over IPv6', origin: `http://[::1]:${at.plain6}` },
  { name: 'a server with TLS that is trusted by option', origin: `https://localhost:${at.secure}`, options: { ca } },
  {
    name: 'a server by a lookup of its own, with TLS',
    origin: `https://named.test:${at.secure}`,
    options: { lookup: here, rejectUnauthorized: false },
  },
  { name: 'a refused connection', origin: `http://127.0.0.1:${at.dead}` },
  { name: 'a refused connection with TLS', origin: `https://[::1]:${at.dead}` },
  {
    name: 'several addresses that all refuse',
    origin: `http://all.test:${at.dead}`,
    options: { lookup: lookupOf('127.0.0.1', '::1', '127.0.0.2'), autoSelectFamilyAttemptTimeout: 60_000 },
  },
  {
    name: 'a lookup that finds no address',
    origin: `http://odd.test:${at.dead}`,
    options: { lookup: lookupOf('nonsense') },
  },
  { name: 'a certificate that is not trusted', origin: `https://localhost:${at.secure}` },
  { name: 'a certificate for another host', origin: `https://other.test:${at.secure}`, options: { lookup: here, ca } },
  { name: 'a server that does not speak TLS', origin: `https://localhost:${at.greeting}`, options: { ca } },
  { name: 'a server that closes instead of shaking hands', origin: `https://localhost:${at.closing}`, options: { ca } },
]

const answers: Record<string, unknown> = {}
await Promise.all(
  clients.flatMap(client =>
    questions
      .filter(({ options }) => client.takesOptions || !options)
      .map(async ({ name, origin, options }) => {
        answers[`${client.name}: ${name}`] = await client.ask(origin, options).catch(describeError)
      }),
  ),
)
console.log(JSON.stringify(answers))
