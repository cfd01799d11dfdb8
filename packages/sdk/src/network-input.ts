import type { LinkConditions, NetworkConditions, OutageOptions } from '@midwire/proxy'
import { badInput, checkChoice, checkCount, checkKeys, checkMs } from './bad-input.ts'

const linkKeys = [
  'latency',
  'jitter',
  'bandwidth',
  'slice',
  'limit',
  'slowClose',
  'resetAfter',
  'stall',
  'blackHole',
] as const satisfies readonly (keyof LinkConditions)[]

const keys = [...linkKeys, 'host', 'from', 'connection', 'layer', 'probability'] as const satisfies readonly (keyof NetworkConditions)[]

/** @throws MidwireError MIDWIRE_BAD_INPUT on what cannot be meant, naming what would have been right */
export function checkConditions(conditions: NetworkConditions, what: string): void {
  if (conditions === undefined) throw badInput(`${what}: expected conditions such as { latency: 80 }, or one of presets`)
  checkKeys(conditions, keys, what)
  const { host, from, connection, layer, probability } = conditions
  checkLink(conditions, what)
  if (linkKeys.every(key => conditions[key] === undefined))
    throw badInput(`${what}: nothing is wrong with this network; expected one or more of ${linkKeys.map(key => `"${key}"`).join(', ')}`)
  if (host !== undefined) checkHosts(host, `${what} { host }`)
  checkChoice(from, ['client', 'server'], `${what} { from }`)
  checkChoice(layer, ['tcp', 'application'], `${what} { layer }`)
  if (probability !== undefined) checkShare(probability, `${what} { probability }`)
  const isConnection =
    typeof connection === 'function' || (typeof connection === 'object' && connection !== null && 'rawHeaders' in connection)
  if (connection !== undefined && !isConnection)
    throw badInput(`${what} { connection }: expected a connection, as proxy.connection or await proxy.waitForConnection(), or a function`)
}

/** @throws MidwireError MIDWIRE_BAD_INPUT */
export function checkChange(changes: object, what: string): void {
  checkKeys(changes, linkKeys, what)
  checkLink(changes, what)
}

/** @throws MidwireError MIDWIRE_BAD_INPUT */
export function checkOutage(options: OutageOptions | undefined, what: string): void {
  checkKeys(options, ['hosts', 'error', 'end'], what)
  const { hosts, error, end } = options ?? {}
  if (hosts !== undefined) checkHosts(hosts, `${what} { hosts }`)
  checkChoice(error, ['refused', 'unreachable', 'dns', 'timeout'], `${what} { error }`)
  checkChoice(end, ['fin', 'rst', 'silent'], `${what} { end }`)
}

function checkLink(
  { latency, jitter, bandwidth, slice, limit, slowClose, resetAfter, stall, blackHole }: LinkConditions,
  what: string,
): void {
  for (const [name, ms] of Object.entries({ latency, jitter, slowClose, resetAfter })) {
    if (ms !== undefined) checkMs(ms, `${what} { ${name} }`)
  }
  if (typeof bandwidth === 'object' && bandwidth !== null) {
    checkKeys(bandwidth, ['client', 'server'], `${what} { bandwidth }`)
    for (const rate of [bandwidth.client, bandwidth.server]) if (rate !== undefined) checkRate(rate, `${what} { bandwidth }`)
  } else if (bandwidth !== undefined) checkRate(bandwidth, `${what} { bandwidth }`)
  if (typeof slice === 'object' && slice !== null) {
    checkKeys(slice, ['size', 'variation', 'delay'], `${what} { slice }`)
    checkCount(slice.size, `${what} { slice: { size } }`)
    if (slice.variation !== undefined && slice.variation !== 0) checkCount(slice.variation, `${what} { slice: { variation } }`)
    if (slice.delay !== undefined) checkMs(slice.delay, `${what} { slice: { delay } }`)
  } else if (slice !== undefined) checkCount(slice, `${what} { slice }`)
  if (typeof limit === 'object' && limit !== null) {
    checkKeys(limit, ['bytes', 'then'], `${what} { limit }`)
    checkCount(limit.bytes, `${what} { limit: { bytes } }`)
    checkChoice(limit.then, ['fin', 'rst'], `${what} { limit: { then } }`)
  } else if (limit !== undefined) checkCount(limit, `${what} { limit }`)
  if (typeof stall === 'object' && stall !== null) {
    checkKeys(stall, ['probability', 'ms'], `${what} { stall }`)
    checkShare(stall.probability, `${what} { stall: { probability } }`)
    if (stall.ms !== undefined) checkMs(stall.ms, `${what} { stall: { ms } }`)
  } else if (stall !== undefined) checkShare(stall, `${what} { stall }`)
  if (blackHole !== undefined && typeof blackHole !== 'boolean')
    throw badInput(`${what} { blackHole }: expected true or false, got ${String(blackHole)}`)
}

function checkRate(rate: unknown, what: string): void {
  if (typeof rate === 'number' && rate > 0 && Number.isFinite(rate)) return
  throw badInput(`${what}: expected bytes per second, more than 0, got ${String(rate)}; for none at all there is { blackHole: true }`)
}

function checkShare(share: unknown, what: string): void {
  if (typeof share === 'number' && share >= 0 && share <= 1) return
  throw badInput(`${what}: expected a probability from 0 to 1, got ${String(share)}`)
}

function checkHosts(hosts: unknown, what: string): void {
  const wanted: readonly unknown[] = Array.isArray(hosts) ? hosts : [hosts]
  if (wanted.length === 0) throw badInput(`${what}: expected one host or more, got an empty list`)
  for (const host of wanted) {
    if (host instanceof RegExp) continue
    if (typeof host !== 'string' || host === '' || /[/@\s]/.test(host))
      throw badInput(
        `${what}: expected a host name, 'host:port' or a RegExp, got ${typeof host === 'string' ? JSON.stringify(host) : String(host)}`,
      )
  }
}
