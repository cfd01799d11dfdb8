import type { Middle } from '../middle.ts'
import { direct } from './direct.ts'
import { httpForwarder } from './http-forwarder.ts'
import { midwire, midwireFull, midwireUrl, midwireUrlWithRule, midwireWithRequestRule, midwireWithRule } from './midwire.ts'
import { midwireAsyncHandle, midwireForeignRules, midwireIdleRules, midwireOneIdleRule } from './midwire-rules.ts'
import { tcpPipe } from './tcp-pipe.ts'
import { tlsPipe } from './tls-pipe.ts'
import { wsEnds } from './ws-ends.ts'

export const middles: readonly Middle[] = [
  direct,
  tcpPipe,
  tlsPipe,
  wsEnds,
  httpForwarder,
  midwireUrl,
  midwireUrlWithRule,
  midwire,
  midwireFull,
  midwireWithRule,
  midwireWithRequestRule,
  midwireAsyncHandle,
  midwireForeignRules,
  midwireOneIdleRule,
  midwireIdleRules,
]

export function middleNamed(name: string): Middle {
  const found = middles.find(middle => middle.name === name)
  if (!found) throw new Error(`no middle man is called ${name}; there are ${middles.map(middle => middle.name).join(', ')}`)
  return found
}
