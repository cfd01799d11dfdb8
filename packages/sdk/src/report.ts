import { describeValue, other, ruleLabel } from '@midwire/proxy'
import type { Connection, EngineFailure, Exchange, Message, ProxyEngine, RuleRun, TrafficEvent, Tunnel } from '@midwire/proxy'
import type { RuleLine } from './failure-text.ts'
import { likeness } from './likeness.ts'
import type { ScopeState } from './scope-state.ts'
import type { Sought } from './sought.ts'
import { exchangeLine } from './exchange-line.ts'
import { requestFacts } from './sought-exchange.ts'
import { size, wayFrom } from './transcript.ts'
import type { TranscriptLine, TranscriptPart } from './transcript.ts'

/** What a transcript is made of. */
export interface Seen {
  readonly engine: ProxyEngine
  readonly state: ScopeState
  /** Marks the best near miss. */
  readonly sought?: Sought<object> | undefined
  /** Marks lines, by the `seq` of their events. */
  readonly marks?: ReadonlyMap<number, string> | undefined
}

/** Everything that a scope has seen, as the parts of a transcript: its connections, its requests, and what led to neither. */
export function transcriptOf({ engine, state, sought, marks }: Seen): TranscriptPart[] {
  const events = [...engine.journal.read({ after: state.startedAfter, scope: state.scope })]
  const nearest = sought && nearestMiss(events, sought)
  const toldApart = (event: TrafficEvent): Pick<TranscriptLine, 'nearest' | 'mark'> => {
    const mark = marks?.get(event.seq)
    return { ...(event === nearest?.event && { nearest: nearest.text }), ...(mark !== undefined && { mark }) }
  }
  const connections = new Map<Connection, TranscriptLine[]>()
  for (const connection of engine.connections) {
    const isOpen = connection.state === 'open' || connection.state === 'closing'
    if (isOpen && state.scope.isRelatedTo(connection.scope)) connections.set(connection, [])
  }
  const exchanges = new Map<Exchange, TranscriptLine>()
  const others: TranscriptLine[] = []
  for (const event of events) {
    const at = event.at - state.startedAt
    if ('exchange' in event) {
      const line = exchanges.get(event.exchange) ?? exchangeLine(event.exchange, state.startedAt)
      exchanges.set(event.exchange, { ...line, ...toldApart(event) })
    } else if ('connection' in event && event.connection) {
      const lines = connections.get(event.connection) ?? []
      connections.set(event.connection, lines)
      const line = connectionLine(event, at, engine)
      if (line) lines.push({ ...line, ...toldApart(event) })
    } else if (event.kind === 'tcp' || event.kind === 'tunnel' || event.kind === 'note') others.push(otherLine(event, at))
  }
  const refused = new Set(events.flatMap(event => (event.kind === 'refused' ? [event.connection] : [])))
  const title = (connection: Connection): string => connectionTitle(connection, refused.has(connection))
  /** A connect is worth its line where nothing came of it that has one. */
  const isNews = ({ outcome }: TranscriptLine): boolean => connections.size === 0 && (exchanges.size === 0 || outcome !== 'connected')
  return [
    ...[...connections].sort(([a], [b]) => a.id - b.id).map(([connection, lines]) => ({ title: title(connection), lines })),
    ...(exchanges.size > 0 ? [{ title: 'HTTP requests', lines: [...exchanges.values()] }] : []),
    ...(others.some(line => line.type !== 'tcp' || isNews(line)) ? [{ title: 'TCP', lines: others }] : []),
  ]
}

/** The rules that apply to a scope, in the order of their declaration, with what they did. */
export function ruleLines(states: readonly ScopeState[], engine: ProxyEngine): RuleLine[] {
  const failures = states.flatMap(state => state.failures)
  return states.flatMap(state => state.runs).map(run => ruleLine(run, failures, engine))
}

/** Lines that a transcript needs to be understood: what has gone, what did not decode. */
export function readingNotes({ engine, state, sought }: Seen): string[] {
  let gone = 0
  const unread = new Set<string>()
  for (const event of engine.journal.read({ after: state.startedAfter, scope: state.scope })) {
    if (event.kind === 'message' && event.message.evicted) gone++
    if (sought?.isOpen && 'exchange' in event) {
      const content = event.kind === 'request' ? event.exchange : event.exchange.response
      if (content?.lack !== undefined) unread.add(`${event.kind} of ${event.exchange.method} ${event.exchange.url}: ${content.lack}`)
    }
  }
  const goneNote = `payloads of ${gone} messages had gone from the journal and could not be matched; raise journalLimit`
  return [...(gone === 0 ? [] : [goneNote]), ...unread]
}

/** Label of the rule that decided what this one would have acted on. */
export function shadowOf(run: RuleRun, engine: ProxyEngine): string | undefined {
  if (!run.shadowed) return undefined
  const { rule } = run
  if (rule.on === 'request') {
    for (const event of engine.journal.read({ scope: rule.scope })) {
      if (event.kind !== 'request' || event.exchange.decidedBy === undefined) continue
      const facts = requestFacts(event.exchange)
      if (readSafely(() => rule.match.test(facts, facts))) return event.exchange.decidedBy
    }
  }
  if (rule.on !== 'message') return 'a newer rule'
  for (const event of engine.journal.read({ scope: rule.scope })) {
    if (event.kind !== 'message' || event.message.decidedBy === undefined) continue
    if (rule.from !== undefined && rule.from !== event.from) continue
    if (matches(rule.match.test, event.message)) return event.message.decidedBy
  }
  return 'a newer rule'
}

function matches(test: (value: unknown, message: Message) => boolean, message: Message): boolean {
  try {
    return test(message.value, message)
  } catch {
    return false
  }
}

function ruleLine(run: RuleRun, failures: readonly EngineFailure[], engine: ProxyEngine): RuleLine {
  const failure = failures.find(one => one.rule === run.rule)?.error.message
  return { label: ruleLabel(run.rule), matched: run.matched, acted: run.acted, shadowedBy: shadowOf(run, engine), failure }
}

function connectionTitle(connection: Connection, isRefused: boolean): string {
  const attempt = connection.attempt > 1 ? `, attempt ${connection.attempt}` : ''
  const state = isRefused ? 'never open' : connection.state === 'opening' ? 'handshake under way' : connection.state
  return `${connection.url}  connection ${connection.id}${attempt}, ${state}`
}

function connectionLine(event: TrafficEvent, at: number, engine: ProxyEngine): TranscriptLine | undefined {
  switch (event.kind) {
    case 'message':
      return messageLine(event.message, at)
    case 'ping':
    case 'pong':
      return { at, way: wayFrom(event.from), type: event.kind, bytes: event.payload.byteLength, summary: '' }
    case 'close':
      return {
        at,
        way: wayFrom(event.from),
        type: 'close',
        summary: `${event.code}${event.reason === '' ? '' : ` ${JSON.stringify(event.reason)}`}`,
      }
    case 'end':
      return { at, way: wayFrom(event.from), type: event.how.toUpperCase(), summary: '' }
    case 'injected':
      return injectedLine(event, at, engine)
    case 'note':
      return { at, way: '', type: 'note', summary: event.text }
    case 'refused':
      return { at, way: '', type: 'refused', summary: event.text }
    // A note says why.
    case 'terminated':
    case 'handshake':
    case 'connection':
    case 'tcp':
    case 'tunnel':
    case 'request':
    case 'response':
      return undefined
  }
}

function injectedLine(
  { to, what, bytes, connection, seq, ...rest }: TrafficEvent & { kind: 'injected' },
  at: number,
  { codec }: ProxyEngine,
): TranscriptLine {
  const isFrozen = seq > (connection.frozenSince(other(to)) ?? Infinity)
  const line = { at, way: `Midwire → ${to}`, type: what.replace(/ message$/, ''), summary: '', ...(isFrozen && { outcome: 'frozen' }) }
  if (bytes.byteLength === 0) return line
  const { protocol, url } = connection
  const direction = { from: other(to), protocol, url }
  const context = { ...direction, binary: what.startsWith('binary'), state: codec.state?.(direction) }
  // A codec with a state has a history of its own that this message is no part of.
  const values = codec.stateless && readSafely(() => codec.decode(bytes, context).messages.map(message => describeValue(message.value)))
  if (!codec.stateless && 'value' in rest) return { ...line, bytes: bytes.byteLength, summary: describeValue(rest.value) }
  // What was sent past the codec is shown as it is.
  const text = what.startsWith('text') ? describeValue(Buffer.from(bytes).toString('utf8')) : ''
  return { ...line, bytes: bytes.byteLength, summary: values ? values.join(', ') : text }
}

function messageLine(message: Message, at: number): TranscriptLine {
  const base = { at, way: wayFrom(message.from), type: message.binary ? 'binary' : 'text', summary: summaryOf(message) }
  const outcome = outcomeOf(message)
  return { ...base, ...(message.evicted ? {} : { bytes: message.bytes.byteLength }), ...(outcome === undefined ? {} : { outcome }) }
}

function summaryOf(message: Message): string {
  if (message.evicted) return 'gone from the journal'
  return message.undecodable === undefined ? describeValue(message.value) : `not decodable: ${message.undecodable}`
}

function outcomeOf(message: Message): string | undefined {
  const { verdict, evicted, settled, delivered, connection, from } = message
  const decided = decision(message)
  if (verdict?.kind === 'drop' || evicted || delivered !== undefined) return decided
  const isFrozen = verdict !== undefined && connection.frozenSince(from) !== undefined
  const waits = isFrozen ? 'frozen' : 'not delivered yet'
  const fate = settled ? 'discarded' : verdict !== undefined && verdict.kind !== 'hold' ? waits : undefined
  if (decided === undefined || fate === undefined) return decided ?? fate
  return `${decided}, ${settled ? 'then ' : ''}${fate}`
}

/** What a rule did with it, if one did. */
function decision({ verdict, decidedBy, delivered, settled }: Message): string | undefined {
  const by = decidedBy === undefined ? '' : ` by ${decidedBy}`
  if (verdict === undefined) return settled ? undefined : 'not decided yet'
  switch (verdict.kind) {
    case 'pass':
      return undefined
    case 'drop':
      return `dropped${by}`
    case 'delay':
      return `delayed ${verdict.ms} ms${by}`
    case 'replace':
      return `replaced${by}: ${describeValue(verdict.value)}`
    case 'corrupt':
      return `corrupted (${verdict.how})${by}`
    case 'hold':
      return `${delivered === undefined ? 'held' : 'held, then released,'}${by}`
  }
}

function otherLine(event: TrafficEvent & { kind: 'tcp' | 'tunnel' | 'note' }, at: number): TranscriptLine {
  if (event.kind === 'note') return { at, way: '', type: 'note', summary: event.text }
  if (event.kind === 'tunnel') return tunnelLine(event.tunnel, at)
  return { at, way: '', type: 'tcp', summary: `${event.host}:${event.port}`, outcome: event.outcome() }
}

function tunnelLine({ host, port, bytesFrom, at: openedAt, endedAt }: Tunnel, at: number): TranscriptLine {
  const duration = endedAt === undefined ? 'not ended' : `${Math.round(endedAt - openedAt)} ms`
  const outcome = `${size(bytesFrom.client)} from the client, ${size(bytesFrom.server)} from the server, ${duration}`
  return { at, way: '', type: 'tunnel', summary: `${host}:${port}`, outcome }
}

/** The newest of the events that come closest: where most of the match is true. */
export function nearestMiss(events: readonly TrafficEvent[], sought: Sought<object>): { event: TrafficEvent; text: string } | undefined {
  let best: { event: TrafficEvent; text: string; share: number } | undefined
  for (const event of events) {
    const value = readSafely(() => sought.compared(event))
    const text = value === undefined ? undefined : readSafely(() => sought.explain?.(value))
    if (text === undefined) continue
    const share = likeness(value, sought.input)
    if (share > 0 && share >= (best?.share ?? 0)) best = { event, text, share }
  }
  return best
}

function readSafely<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
