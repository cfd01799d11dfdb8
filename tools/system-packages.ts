// Programs of other makers that tests drive, from Debian's packages: what is not there is installed in CI, where that can be done. The tests
// that need them are skipped where they are missing, so nothing fails here.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** Package → a file of it. */
const wanted: Readonly<Record<string, string>> = {
  chromium: '/usr/bin/chromium',
  curl: '/usr/bin/curl',
  git: '/usr/bin/git',
  iproute2: '/usr/sbin/ip',
  mitmproxy: '/usr/bin/mitmdump',
  nftables: '/usr/sbin/nft',
  'python3-requests': '/usr/lib/python3/dist-packages/requests',
  'python3-websockets': '/usr/lib/python3/dist-packages/websockets',
}

/** ms for all of it. */
const patience = 100_000

/** Installs what tests can use and is missing; says what it did, and never fails. */
export function installSystemPackages(): void {
  const missing = Object.keys(wanted).filter(name => !existsSync(wanted[name] ?? ''))
  if (missing.length === 0) return
  const started = performance.now()
  const left = (): number => Math.max(1, Math.round(patience - (performance.now() - started)))
  const apt = (...args: string[]): boolean => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const options = ['-qq', '-o', 'Acquire::Retries=0', '-o', 'Acquire::http::Timeout=15', '-o', 'DPkg::Lock::Timeout=15']
    const { status } = spawnSync('apt-get', [...options, ...args], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: left(),
      killSignal: 'SIGTERM',
    })
    return status === 0
  }
  const install = (...names: string[]): boolean => apt('install', '-y', '--no-install-recommends', ...names)
  console.log(`\n> apt-get install ${missing.join(' ')}`)
  if (!isRootOnDebian()) {
    console.log('skipped: not root on Debian; tests that need them are skipped')
    return
  }
  // Where one cannot be had, the others can; the largest comes last.
  const ok = apt('update') && install(...missing.filter(name => name !== 'chromium'))
  if (missing.includes('chromium')) install('chromium')
  const still = missing.filter(name => !existsSync(wanted[name] ?? ''))
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${ok && still.length === 0 ? 'ok' : `missing, so that tests are skipped: ${still.join(' ')}`} in ${seconds} s: apt-get`)
}

function isRootOnDebian(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return false
  return existsSync('/etc/os-release') && /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'))
}
