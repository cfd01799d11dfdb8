import { createMatch, type MessageRule, type ProxyEngine } from '@midwire/proxy'

/** A rule of the whole proxy, for both directions and every message unless `parts` say otherwise. */
export function messageRule(proxy: ProxyEngine, parts: Pick<MessageRule, 'action'> & Partial<MessageRule>): MessageRule {
  return {
    on: 'message',
    start: 'onMessage',
    scope: proxy.root,
    at: { file: import.meta.filename, line: 1, column: 1 },
    optional: true,
    from: undefined,
    match: createMatch(),
    then: [],
    ...parts,
  }
}
