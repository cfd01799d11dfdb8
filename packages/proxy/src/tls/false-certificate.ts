import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { original } from '../capture/original.ts'
import type { FalseCertificate } from '../rule/tls-fault.ts'
import { Authority } from './authority.ts'
import type { KeyPair } from './authority.ts'
import { wallTime } from './wall-time.ts'

const day = 24 * 60 * 60 * 1000

/** What a TLS server that shows such a certificate for `host` is made with. */
export function falseContext(kind: FalseCertificate, host: string, authority: Authority): SecureContext {
  return original(createSecureContext)(falseLeaf(kind, host.toLowerCase(), authority))
}

function falseLeaf(kind: FalseCertificate, host: string, authority: Authority): KeyPair {
  const now = wallTime()
  switch (kind) {
    case 'expired':
      return authority.falseLeaf(host, { from: now - 30 * day, to: now - day })
    case 'notYetValid':
      return authority.falseLeaf(host, { from: now + day, to: now + 30 * day })
    case 'wrongHost':
      return authority.falseLeaf('wrong-host.invalid')
    case 'selfSigned':
      return authority.falseLeaf(host, undefined, 'itself')
    case 'untrusted':
      return Authority.create().falseLeaf(host)
  }
}
