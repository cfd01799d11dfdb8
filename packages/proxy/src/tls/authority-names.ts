import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { MidwireError } from '../errors.ts'

/** The names that an authority may vouch for: each DNS name with all below it (RFC 5280 §4.2.1.10), and addresses. */
export class AuthorityNames {
  readonly dns: readonly string[]
  readonly addresses: readonly string[]

  /** @throws MidwireError MIDWIRE_BAD_INPUT if there are none, or one is neither a DNS name nor an address */
  constructor(names: readonly string[]) {
    if (names.length === 0)
      throw new MidwireError('MIDWIRE_BAD_INPUT', 'authority.names is empty — expected the hosts that are intercepted')
    for (const name of names) {
      if (isIP(name) !== 0 || (/^[^\s.*:/@[\]]+(?:\.[^\s.*:/@[\]]+)*$/.test(name) && domainToASCII(name) !== '')) continue
      const expected = "expected a host name such as 'example.com', which stands for those below it, too, or an IP address"
      throw new MidwireError('MIDWIRE_BAD_INPUT', `authority.names: ${JSON.stringify(name)} — ${expected}`)
    }
    this.dns = names.filter(name => isIP(name) === 0).map(name => domainToASCII(name))
    this.addresses = names.filter(name => isIP(name) !== 0).map(canonical)
  }

  include(host: string): boolean {
    if (isIP(host) !== 0) return this.addresses.includes(canonical(host))
    const name = domainToASCII(host)
    return this.dns.some(allowed => name === allowed || name.endsWith(`.${allowed}`))
  }
}

function canonical(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address.replace(/%.*$/, '')}]/`).hostname.slice(1, -1) : address
}
