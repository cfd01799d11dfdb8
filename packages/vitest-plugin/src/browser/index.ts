import './matchers.ts'

export type { InterceptionOptions, InterceptionProxy } from '@midwire/sdk'
export type { WireMatchers } from '../matchers.ts'
export { useInterceptionProxy } from './use-interception-proxy.ts'
