/** The fatal alerts of TLS, by their names in RFC 8446 §6.2. */
export const tlsAlerts = {
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  inappropriate_fallback: 86,
  missing_extension: 109,
  unsupported_extension: 110,
  unrecognized_name: 112,
  bad_certificate_status_response: 113,
  unknown_psk_identity: 115,
  certificate_required: 116,
  no_application_protocol: 120,
} as const

/** A fatal alert (RFC 8446 §6.2), such as 'handshake_failure'. */
export type TlsAlert = keyof typeof tlsAlerts

/**
 * A certificate that a client must not accept. 'expired' since a day · 'notYetValid' for another day · 'selfSigned' · 'wrongHost': for
 * wrong-host.invalid · 'untrusted': of an authority that nobody knows.
 */
export type FalseCertificate = 'expired' | 'notYetValid' | 'selfSigned' | 'wrongHost' | 'untrusted'
