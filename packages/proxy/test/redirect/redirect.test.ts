import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'

/** What namespace.ts prints. */
interface Outcome {
  readonly answers: Readonly<Record<string, string>>
  readonly seen: readonly string[]
}

const page = readFileSync(fileURLToPath(new URL('../../../../docs/transparent.md', import.meta.url)), 'utf8')

/** The code block of the page in that language. */
function block(language: string, begin: string): string {
  const blocks = [...page.matchAll(/```(\w+)\n(.*?)```/gs)].filter(([, name, text]) => name === language && text?.startsWith(begin))
  return blocks[0]?.[2] ?? ''
}

const iptables = block('sh', 'iptables')

/** Shell commands, which are told CLIENT and MIDWIRE. */
const filters = {
  nftables: `nft -f - <<'END'\n${block('nft', 'define')}END`,
  iptables: `${iptables}${iptables.replaceAll('iptables', 'ip6tables')}`,
}

/** Why this machine cannot redirect; `undefined` if it can. */
function obstacle(filter: keyof typeof filters): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has network namespaces'
  if (process.getuid?.() !== 0) return 'only root makes network namespaces'
  const probe = filter === 'nftables' ? 'nft list ruleset' : 'iptables -t nat -S && ip6tables -t nat -S'
  const commands = `ip link set lo up && ${probe} && command -v iptables setpriv curl`
  const { status, stderr } = spawnSync('unshare', ['--net', '--mount', 'sh', '-c', commands], { encoding: 'utf8' })
  return status === 0 ? undefined : `it lacks a command or a right: ${stderr.trim().split('\n')[0]}`
}

describe.each(['nftables', 'iptables'] as const)('a program whose connections %s redirects, as documented,', filter => {
  const why = obstacle(filter)
  let outcome: Outcome
  beforeAll(async () => {
    if (why !== undefined) return
    const folder = mkdtempSync(join(tmpdir(), 'midwire-redirect-'))
    // Its certificate is read by another user.
    chmodSync(folder, 0o755)
    try {
      const inside = fileURLToPath(new URL('namespace.ts', import.meta.url))
      const { stdout } = await promisify(execFile)(
        'unshare',
        ['--net', '--mount', process.execPath, '--no-warnings', inside, folder, filters[filter]],
        { env: { PATH: process.env['PATH'] }, timeout: 25_000 },
      )
      outcome = JSON.parse(stdout) as Outcome
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
  beforeEach(({ skip }) => {
    if (why !== undefined) skip(why)
  })

  test.each([
    ['overTls', 'api.example.com/tls at 127.0.0.3:443', 'https://api.example.com/tls 200'],
    ['inClearText', 'api.example.com/plain at 127.0.0.2:80', 'http://api.example.com/plain 200'],
    ['overIpv6', 'six.example.com/six at ::1:443', 'https://six.example.com/six 200'],
    ['webSocket', 'echo of hello', 'wss://api.example.com/socket'],
  ])('reaches the address that it had found, and is seen by name: %s', (what, answer, seen) => {
    expect(outcome.answers[what]).toBe(answer)
    expect(outcome.seen).toContain(seen)
  })

  test('meets rules', () => {
    expect(outcome.answers['ruled']).toBe('ruled')
    expect(outcome.seen).toContain('https://api.example.com/ruled 503')
  })

  test('leaves other users alone', () => {
    expect(outcome.answers['ofAnotherUser']).toBe('api.example.com/direct at 127.0.0.2:80')
    expect(outcome.seen.join('\n')).not.toContain('/direct')
  })

  test('does not send the engine’s own connections round in circles', () => {
    expect(outcome.answers['looped']).toContain('reset by peer')
    const notes = outcome.seen.filter(text => text.startsWith('refused'))
    expect(notes).toEqual([expect.stringMatching(/^refused a redirected connection of 127\.0\.0\.1:\d+: it is one of our own; keep /)])
  })
})
