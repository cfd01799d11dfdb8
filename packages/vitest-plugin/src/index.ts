export type { InterceptionOptions, InterceptionProxy } from '@midwire/sdk'
export { useInterceptionProxy } from './use-interception-proxy.ts'
