import type { NetworkConditions } from '@midwire/proxy'

/**
 * Networks as others have measured or defined them, for `proxy.network(presets.mobile3g)`. Latencies are one way, half of the published
 * round trip; bandwidths are bytes per second, the published kbit/s times 125.
 */
export const presets = {
  /** 1.6 Mbit/s down, 768 kbit/s up, round trip 300 ms: "3G" of WebPageTest. */
  mobile3g: preset(1600, 768, 150),
  /** 400 kbit/s both ways, round trip 400 ms: "3G Slow" of WebPageTest. */
  slow3g: preset(400, 400, 200),
  /** 9 Mbit/s both ways, round trip 170 ms: "4G" of WebPageTest. */
  mobile4g: preset(9000, 9000, 85),
  /** 240 kbit/s down, 200 kbit/s up, round trip 840 ms: "Edge" of WebPageTest. */
  edge: preset(240, 200, 420),
  /** 40 Mbit/s down, 33 Mbit/s up, round trip 2 ms: "Wi-Fi" of Apple's Network Link Conditioner. */
  wifi: preset(40_000, 33_000, 1),
  /** 1 Mbit/s down, 256 kbit/s up ("Satellite phone" of Loadero), round trip 558 ms (geostationary: RFC 2488 §2). */
  satellite: preset(1000, 256, 279),
  /** 49 kbit/s down, 30 kbit/s up, round trip 120 ms: "56K Dial-Up" of WebPageTest. */
  dialup: preset(49, 30, 60),
  /** 1 Mbit/s both ways, round trip 1 s, and every tenth piece is lost: "Very Bad Network" of Apple's Network Link Conditioner. */
  lossy: Object.freeze({ ...preset(1000, 1000, 500), stall: 0.1 }),
} as const satisfies Readonly<Record<string, NetworkConditions>>

type Preset = Readonly<Required<Pick<NetworkConditions, 'latency'>>> & {
  readonly bandwidth: { readonly client: number; readonly server: number }
}

/** `down` and `up` in kbit/s. */
function preset(down: number, up: number, latency: number): Preset {
  return Object.freeze({ latency, bandwidth: Object.freeze({ client: up * 125, server: down * 125 }) })
}
