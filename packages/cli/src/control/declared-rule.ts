import type {
  CloseFrameMatch,
  CloseRuleBuilder,
  Connection,
  ConnectMatch,
  ConnectRuleBuilder,
  ControlRuleBuilder,
  Corruption,
  HandleVerdict,
  HoldOptions,
  InterceptionProxy,
  Message,
  MessageRuleBuilder,
  MessageRuleHandle,
  RequestMatch,
  RequestPatch,
  RequestRuleBuilder,
  ResponseHeaders,
  ResponsePatch,
  RewritableHandshake,
  RuleHandle,
} from '@midwire/sdk'
import { nearest } from '../nearest.ts'
import { rpcCode, RpcError } from './json-rpc.ts'
import { fromJson } from './json-value.ts'
import { Params } from './params.ts'

/** What rules refer to beside themselves. */
export interface RuleContext {
  readonly proxy: InterceptionProxy<unknown>
  /** For rules without a name of their own. */
  readonly name: string
  readonly ask: (message: Message) => Promise<HandleVerdict<unknown>>
  /** @throws RpcError if there is none */
  connection(id: string): Connection
  /** @throws RpcError if there is none */
  rule(id: string): RuleHandle
}

type Args = readonly unknown[]
type Verbs<B> = Readonly<Record<string, (builder: B, args: Args, context: RuleContext) => RuleHandle>>
type MessageBuilder = MessageRuleBuilder<unknown>

const onMessages: Verbs<MessageBuilder> = {
  observe: builder => builder.observe(() => {}),
  drop: builder => builder.drop(),
  patch: (builder, [part]) => builder.patch(part as object),
  replace: (builder, [value]) => builder.replace(value),
  delay: (builder, [ms]) => builder.delay(ms as number),
  hold: (builder, [options]) => builder.hold(options as HoldOptions | undefined),
  holdUntil: (builder, [match]) => builder.holdUntil(match as object),
  duplicate: (builder, [times]) => builder.duplicate(times as number | undefined),
  reply: (builder, [value]) => builder.reply(value),
  forbid: (builder, [reason]) => builder.forbid(reason as string | undefined),
  corrupt: (builder, [kind]) => builder.corrupt(kind as Corruption),
  ask: (builder, _args, { ask }) => builder.handle((_value, message) => ask(message)),
}

const onFrames: Verbs<ControlRuleBuilder<unknown>> = {
  observe: builder => builder.observe(() => {}),
  drop: builder => builder.drop(),
  delay: (builder, [ms]) => builder.delay(ms as number),
  hold: builder => builder.hold(),
}

const onCloses: Verbs<CloseRuleBuilder<unknown>> = {
  observe: builder => builder.observe(() => {}),
  drop: builder => builder.drop(),
  delay: (builder, [ms]) => builder.delay(ms as number),
  hold: builder => builder.hold(),
  replace: (builder, [code, reason]) => builder.replace(code as number | undefined, reason as string | undefined),
}

const onConnects: Verbs<ConnectRuleBuilder<unknown>> = {
  refuse: (builder, [options]) => builder.refuse(options as Parameters<typeof builder.refuse>[0]),
  unreachable: (builder, [options]) => builder.unreachable(options as Parameters<typeof builder.unreachable>[0]),
  failDns: (builder, [options]) => builder.failDns(options as Parameters<typeof builder.failDns>[0]),
  timeout: builder => builder.timeout(),
  hangUp: (builder, [how]) => builder.hangUp(how as Parameters<typeof builder.hangUp>[0]),
  hang: builder => builder.hang(),
  failTls: (builder, [alert]) => builder.failTls(alert as Parameters<typeof builder.failTls>[0]),
  presentCertificate: (builder, [kind]) => builder.presentCertificate(kind as Parameters<typeof builder.presentCertificate>[0]),
  respondWith: (builder, [status, body, headers]) => builder.respondWith(status as number, body, headers as ResponseHeaders | undefined),
  hold: builder => builder.hold(),
  redirect: (builder, [url]) => builder.redirect(url as string),
  reset: builder => builder.reset(),
  end: builder => builder.end(),
  delay: (builder, [ms]) => builder.delay(ms as number),
  rewrite: (builder, [part]) => builder.rewrite(rewriting(part)),
  accept: (builder, messages) => builder.accept(...messages),
}

const onRequests: Verbs<RequestRuleBuilder<unknown>> = {
  observe: builder => builder.observe(() => {}),
  respondWith: (builder, [status, body, headers, trailers]) =>
    builder.respondWith(status as number, body, headers as ResponseHeaders | undefined, trailers as ResponseHeaders | undefined),
  forwardThen: (builder, [status, body, headers, trailers]) =>
    builder.forwardThen(status as number, body, headers as ResponseHeaders | undefined, trailers as ResponseHeaders | undefined),
  patchRequest: (builder, [part]) => builder.patchRequest(part as RequestPatch),
  patchResponse: (builder, [part]) => builder.patchResponse(part as ResponsePatch),
  hold: (builder, [options]) => builder.hold(options as object | undefined),
  delay: (builder, [ms, options]) => builder.delay(ms as number, options as object | undefined),
  reset: (builder, [options]) => builder.reset(options as object | undefined),
  end: (builder, [options]) => builder.end(options as object | undefined),
  timeout: (builder, [options]) => builder.timeout(options as object | undefined),
  truncate: (builder, [bytes]) => builder.truncate(bytes as number),
  forbid: (builder, [reason]) => builder.forbid(reason as string | undefined),
}

type Declare = (context: RuleContext, match: unknown, modifiers: Params, verb: string, args: Args) => RuleHandle

const starts: Readonly<Record<string, Declare>> = {
  onClientMessage: declaring('onClientMessage', onMessages, ({ proxy }, match) => proxy.onClientMessage(match as object)),
  onServerMessage: declaring('onServerMessage', onMessages, ({ proxy }, match) => proxy.onServerMessage(match as object)),
  onMessage: declaring('onMessage', onMessages, ({ proxy }, match) => proxy.onMessage(match as object)),
  onPing: declaring('onPing', onFrames, ({ proxy }, match) => proxy.onPing(match as CloseFrameMatch)),
  onPong: declaring('onPong', onFrames, ({ proxy }, match) => proxy.onPong(match as CloseFrameMatch)),
  onClose: declaring('onClose', onCloses, ({ proxy }, match) => proxy.onClose(match as CloseFrameMatch)),
  onConnect: declaring('onConnect', onConnects, ({ proxy }, match) => proxy.onConnect(match as ConnectMatch)),
  onRequest: declaring('onRequest', onRequests, ({ proxy }, match) => proxy.onRequest(match as RequestMatch)),
}

export const ruleKeys: readonly string[] = ['start', 'match', 'modifiers', 'verb', 'args', 'then']
const modifierKeys = ['once', 'times', 'nth', 'every', 'skip', 'on', 'after', 'until', 'optional', 'named']

/** Makes a rule live that was declared as JSON. @throws RpcError or MidwireError, naming what was expected */
export function declareRule(params: Params, context: RuleContext): RuleHandle {
  const start = params.string('start')
  const declare = Object.hasOwn(starts, start) ? starts[start] : undefined
  if (declare === undefined) throw unknownName(`addRule "start"`, start, Object.keys(starts))
  const modifiers = new Params('addRule "modifiers"', params.raw('modifiers'), modifierKeys)
  const args = (params.optionalList('args') ?? []).map(fromJson)
  const then = (params.optionalList('then') ?? []).map(step => new Params('addRule "then"', step, ['verb', 'args']))
  const handle = declare(context, params.has('match') ? fromJson(params.raw('match')) : undefined, modifiers, params.string('verb'), args)
  try {
    for (const step of then) follow(handle, step)
  } catch (error) {
    handle.dispose()
    throw error
  }
  return handle
}

function declaring<B extends Modifiable<B>>(start: string, verbs: Verbs<B>, begin: (context: RuleContext, match: unknown) => B): Declare {
  return (context, match, modifiers, verb, args) => {
    const act = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (act === undefined) throw unknownName(`addRule "verb" of ${start}`, verb, Object.keys(verbs))
    return act(modify(begin(context, match), modifiers, context), args, context)
  }
}

interface Modifiable<B> {
  times(count: number): B
  nth(k: number): B
  every(k: number): B
  skip(count: number): B
  on(connection: Connection): B
  after(rule: RuleHandle): B
  until(match: object): B
  optional(): B
  named(text: string): B
}

function modify<B extends Modifiable<B>>(builder: B, modifiers: Params, context: RuleContext): B {
  let so = builder.named(modifiers.optionalString('named') ?? context.name)
  const times = modifiers.optionalBoolean('once') ? 1 : modifiers.optionalInteger('times', 1)
  if (times !== undefined) so = so.times(times)
  const skip = modifiers.optionalInteger('skip', 0)
  if (skip) so = so.skip(skip)
  const every = modifiers.optionalInteger('every', 1)
  if (every !== undefined) so = so.every(every)
  const nth = modifiers.optionalInteger('nth', 1)
  if (nth !== undefined) so = so.nth(nth)
  const on = modifiers.optionalString('on')
  if (on !== undefined) so = so.on(context.connection(on))
  const after = modifiers.optionalString('after')
  if (after !== undefined) so = so.after(context.rule(after))
  if (modifiers.has('until')) so = so.until(fromJson(modifiers.raw('until')) as object)
  return modifiers.optionalBoolean('optional') ? so.optional() : so
}

const follows: Readonly<Record<string, (handle: MessageRuleHandle<unknown>, args: Args) => unknown>> = {
  thenTerminate: handle => handle.thenTerminate(),
  thenClose: (handle, [code, reason]) => handle.thenClose(code as number | undefined, reason as string | undefined),
  thenSendToClient: (handle, [value]) => handle.thenSendToClient(value),
  thenSendToServer: (handle, [value]) => handle.thenSendToServer(value),
}

function follow(handle: RuleHandle, step: Params): void {
  const verb = step.string('verb')
  const act = Object.hasOwn(follows, verb) ? follows[verb] : undefined
  if (act === undefined) throw unknownName('addRule "then"', verb, Object.keys(follows))
  if (!isMessageRule(handle))
    throw new RpcError(rpcCode.invalidParams, 'addRule "then": only rules on messages can be followed by something')
  act(handle, (step.optionalList('args') ?? []).map(fromJson))
}

function isMessageRule(handle: RuleHandle): handle is MessageRuleHandle<unknown> {
  return 'thenTerminate' in handle
}

/** What is left out leaves as it came; `null` takes a header or a key of the query out. */
function rewriting(part: unknown): (request: RewritableHandshake) => void {
  const parts = new Params('addRule "args" of rewrite', part, ['path', 'query', 'headers'])
  const path = parts.optionalString('path')
  const [query, headers] = [parts.optionalTable('query'), parts.optionalTable('headers')]
  return request => {
    if (path !== undefined) request.path = path
    for (const [name, value] of Object.entries(query ?? {})) request.query[name] = wordOf(value)
    for (const [name, value] of Object.entries(headers ?? {})) request.headers[name.toLowerCase()] = wordOf(value)
  }
}

function wordOf(value: unknown): string | undefined {
  return value === null ? undefined : String(value)
}

function unknownName(what: string, name: string, known: readonly string[]): RpcError {
  const meant = nearest(name, known)
  const hint = meant === undefined ? `expected one of ${known.join(', ')}` : `did you mean "${meant}"?`
  return new RpcError(rpcCode.invalidParams, `${what}: there is no "${name}"; ${hint}`)
}
