export type { ProxyOptions } from '@midwire/proxy'
