import { tlsAlerts } from '../rule/tls-fault.ts'
import type { TlsAlert } from '../rule/tls-fault.ts'

/** The record of a fatal alert, as it answers a ClientHello: nothing is encrypted yet (RFC 8446 §5.1, §6). */
export function alertRecord(alert: TlsAlert): Buffer {
  const [contentType, fatal] = [21, 2]
  // §5.1: legacy_record_version
  return Buffer.from([contentType, 3, 3, 0, 2, fatal, tlsAlerts[alert]])
}
