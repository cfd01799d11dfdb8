export { MidwireError, pass } from '@midwire/proxy'
export type {
  Codec,
  CodecContext,
  CodecDirection,
  Connection,
  ConnectionState,
  ControlFrame,
  Corruption,
  Decoded,
  DecodedMessage,
  Exchange,
  ExchangeResponse,
  HandshakeFacts,
  Journal,
  Message,
  MidwireErrorCode,
  RawSendOptions,
  RewritableHandshake,
  SendOptions,
  Side,
  SourceLine,
  TrafficEvent,
  Verdict,
} from '@midwire/proxy'
export { checkConnected, checkReceived, checkSent, checkSentInOrder } from './checks.ts'
export type { CheckOptions, CheckResult } from './checks.ts'
export { binary } from './codec/binary.ts'
export { json } from './codec/json.ts'
export { text } from './codec/text.ts'
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
  ConnectMatch,
  ConnectPredicate,
  ControlPredicate,
  MessageMatch,
  MessagePredicate,
  Patch,
  PingMatch,
  RequestMatch,
  RequestPredicate,
  ResponseMatch,
  Subset,
  TextMatch,
} from './matching.ts'
export type { HandleVerdict, HoldOptions, MessageRuleBuilder } from './message-rule-builder.ts'
export type { ResponseHeaders } from './own-response.ts'
export { ProxyControl } from './proxy-control.ts'
export type { ConnectRuleHandle, HoldHandle, MessageRuleHandle, RuleHandle } from './rule-handle.ts'
export type { ScopeKind } from './scope-state.ts'
export { checkSettings } from './settings.ts'
export type { InterceptionOptions } from './settings.ts'
export type { Closing } from './sought.ts'
export { callSite, countAsOwn, placedAt, readCallSite, showLine } from './source-line.ts'
export type { CallSite } from './source-line.ts'
export { startInterceptionProxy, withInterceptionProxy } from './start.ts'
export type { StartedProxy } from './start.ts'
export type { AbsenceOptions, HitOptions, Landmark, Mark, WaitOptions } from './wait-options.ts'
