import type { ClientSessionOptions, ServerSessionOptions, Settings } from 'node:http2'

// A proxy must not be stricter than the two ends: they have limits of their own.
const maxHeaderListSize = 1024 * 1024

/** What Node would refuse on a session, and the ends decide about. */
export const limits: ClientSessionOptions & ServerSessionOptions = {
  maxSessionMemory: 1000,
  maxHeaderListPairs: 10_000,
  maxSendHeaderBlockLength: maxHeaderListSize,
  maxSessionRejectedStreams: 2 ** 31,
  streamResetBurst: 1_000_000,
  streamResetRate: 1_000_000,
  strictFieldWhitespaceValidation: false,
  strictSingleValueFields: false,
}

/** SETTINGS (RFC 9113 §6.5.2) towards upstream. */
export const settingsForUpstream: Settings = { enablePush: false, maxHeaderListSize }

/** Bytes of a body that a client may send before anybody has read them: a window beyond would be a buffer of ours. */
const largestWindow = 1024 * 1024
const { MAX_SAFE_INTEGER } = Number
const unlimited = 2 ** 31 - 1

/** SETTINGS towards the client: what upstream says of itself, as far as it is known. */
export function settingsForClient(upstream: Settings = {}): Settings {
  const { initialWindowSize = 65_535, maxConcurrentStreams = MAX_SAFE_INTEGER, maxFrameSize, enableConnectProtocol } = upstream
  return {
    initialWindowSize: Math.min(initialWindowSize, largestWindow),
    maxHeaderListSize,
    ...(maxConcurrentStreams <= unlimited && { maxConcurrentStreams }),
    ...(maxFrameSize && { maxFrameSize }),
    // RFC 8441 §3: never where upstream does not.
    ...(enableConnectProtocol && { enableConnectProtocol }),
  }
}
