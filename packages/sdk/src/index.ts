export { jsonArray, MidwireError, pass, separated } from '@midwire/proxy'
export type {
  Codec,
  CodecContext,
  CodecDirection,
  CodecFrame,
  CodecStateDirection,
  Connection,
  ConnectionState,
  ControlFrame,
  Corruption,
  EditableRequest,
  EditableResponse,
  FaultPoint,
  Decoded,
  DecodedMessage,
  Encoded,
  EnvOptions,
  Envelope,
  Exchange,
  ExchangeResponse,
  HandshakeFacts,
  Framing,
  FramingName,
  FramingReader,
  HostMatch,
  Journal,
  LimitConditions,
  LinkConditions,
  Message,
  MidwireErrorCode,
  Packing,
  NetworkConditions,
  NetworkHandle,
  Outage,
  OutageOptions,
  RawSendOptions,
  RequestFacts,
  RewritableHandshake,
  SendOptions,
  Side,
  SliceConditions,
  SourceLine,
  TerminateOptions,
  StallConditions,
  StreamDeclaration,
  StreamRequest,
  TrafficEvent,
  Transport,
  UndecodedMessage,
  Verdict,
} from '@midwire/proxy'
export type { BrowserContextOptions, BrowserLaunchOptions } from './browser-options.ts'
export type { Chaos, ChaosOptions } from './chaos.ts'
export type { ChaosFault, ChaosOdds } from './chaos-draw.ts'
export { checkConnected, checkReceived, checkRequested, checkSent, checkSentInOrder } from './checks.ts'
export type { CheckOptions, CheckResult } from './checks.ts'
export { binary } from './codec/binary.ts'
export { delimitedJson } from './codec/delimited-json.ts'
export type { DelimitedJsonOptions } from './codec/delimited-json.ts'
export { json } from './codec/json.ts'
export { sse } from './codec/sse.ts'
export type { ServerSentEvent } from './codec/sse.ts'
export { text } from './codec/text.ts'
export { withSchema } from './codec/with-schema.ts'
export type { CloseRuleBuilder, ControlRuleBuilder } from './control-rule-builder.ts'
export type { ControlHoldHandle, ControlRuleHandle } from './control-rule-handle.ts'
export type { ConnectRuleBuilder } from './connect-rule-builder.ts'
export { UnexpectedTraffic, UnmetExpectation, UnusedRule } from './expectation-errors.ts'
export type { HandshakeHoldHandle } from './handshake-hold-handle.ts'
export type { Host } from './host.ts'
export type { InterceptionProxy, Inside } from './interception-proxy.ts'
export type {
  AsymmetricMatcher,
  CloseFrameMatch,
  CloseMatch,
  ConnectionMatch,
  ConnectMatch,
  ConnectPredicate,
  ControlPredicate,
  MessageMatch,
  MessagePredicate,
  Patch,
  PingMatch,
  RequestFactsPredicate,
  RequestMatch,
  RequestPredicate,
  ResponseMatch,
  Subset,
  TextMatch,
  UrlPattern,
} from './matching.ts'
export type { HandleVerdict, HoldOptions, MessageRuleBuilder } from './message-rule-builder.ts'
export type { MswRequestHandler } from './msw-handlers.ts'
export type { ResponseHeaders } from './own-response.ts'
export { presets } from './presets.ts'
export { ProxyControl } from './proxy-control.ts'
export type { RequestMatchOptions } from './request-match.ts'
export type { RequestPatch, ResponsePatch } from './request-patch.ts'
export type { AtResponse, FaultOptions, RequestRuleBuilder } from './request-rule-builder.ts'
export type { RequestHoldHandle, RequestRuleHandle } from './request-rule-handle.ts'
export type { ConnectRuleHandle, HoldHandle, MessageRuleHandle, RuleHandle } from './rule-handle.ts'
export type { ScopeKind } from './scope-state.ts'
export { checkSettings } from './settings.ts'
export type { InterceptionOptions } from './settings.ts'
export type { Closing } from './sought.ts'
export { shrink } from './shrink.ts'
export type { Shrunk, ShrinkOptions } from './shrink.ts'
export { calledFrom, callSite, countAsOwn, placedAt, readCallSite, showLine } from './source-line.ts'
export type { CallSite } from './source-line.ts'
export { startInterceptionProxy, withInterceptionProxy } from './start.ts'
export type { StartedProxy } from './start.ts'
export type { AbsenceOptions, HitOptions, Landmark, Mark, WaitOptions } from './wait-options.ts'
