export { childEnv } from './child/child-env.ts'
export type { ChildEnvOptions } from './child/child-env.ts'
export type { EnvOptions } from './child/children.ts'
export { bypassFault } from './capture/interception.ts'
export { listenFault } from './capture/loopback-port.ts'
export { upstreamProxyFault } from './capture/upstream-proxy.ts'
export { bindLoopback } from './capture/loopback-port.ts'
export type {
  Codec,
  CodecContext,
  CodecDirection,
  CodecFrame,
  CodecStateDirection,
  Decoded,
  DecodedMessage,
  Encoded,
  UndecodedMessage,
} from './codec.ts'
export type { Connection, ConnectionState, RawSendOptions, SendOptions, TerminateOptions, Transport } from './connection.ts'
export type { EngineFailure, Leak, ProxyEngine, ProxyOptions, ProxyUrlOptions, UrlForOptions, TransparentOptions } from './engine.ts'
export { MidwireError } from './errors.ts'
export type { MidwireErrorCode } from './errors.ts'
export type { LimitConditions, LinkConditions, SliceConditions, StallConditions } from './fault/conditions.ts'
export type { HostMatch } from './fault/host-match.ts'
export type { NetworkConditions, NetworkHandle, Outage, OutageOptions } from './fault/network-conditions.ts'
export type { Tap, TapOptions } from './io/tap.ts'
export { Journal } from './journal/journal.ts'
export type { Exchange, ExchangeResponse, TrafficEvent } from './journal/traffic-event.ts'
export type { Tunnel } from './journal/tunnel-record.ts'
export type { Message } from './message.ts'
export { describeValue } from './rule/describe-value.ts'
export { createMatch, isSubset } from './rule/match.ts'
export type { MatchInput } from './rule/match.ts'
export { ruleLabel } from './rule/rule-label.ts'
export { RuleRun } from './rule/rule-run.ts'
export { RuleSet } from './rule/rule-set.ts'
export type {
  ConnectAction,
  ConnectRule,
  ConnectTarget,
  ControlAction,
  ControlFrame,
  ControlRule,
  FollowUp,
  HandshakeAction,
  HandshakeFacts,
  HandshakeRule,
  Match,
  MessageAction,
  MessageRule,
  RewritableHandshake,
  Rule,
} from './rule/rule.ts'
export type {
  EditableRequest,
  EditableResponse,
  FaultPoint,
  OwnResponse,
  RequestAction,
  RequestAnswer,
  RequestFacts,
  RequestRule,
} from './rule/request-rule.ts'
export { startProxy } from './proxy.ts'
export { deriveSeed, seededRandom } from './random.ts'
export { tlsAlerts } from './rule/tls-fault.ts'
export type { FalseCertificate, TlsAlert } from './rule/tls-fault.ts'
export { pass } from './rule/verdict.ts'
export type { Corruption, Verdict } from './rule/verdict.ts'
export { Scope } from './scope.ts'
export { other } from './side.ts'
export type { Side } from './side.ts'
export type { SourceLine } from './source-line.ts'
export { checkStream } from './stream/declaration.ts'
export type { StreamDeclaration, StreamRequest } from './stream/declaration.ts'
export type { Envelope, Framing, FramingName, FramingReader } from './stream/framing.ts'
export { jsonArray, separated } from './stream/packing.ts'
export type { Packing } from './stream/packing.ts'
export { dataLines, eventFields, sseBlocks } from './stream/sse.ts'
export type { EventField } from './stream/sse.ts'
export { closeFault } from './ws/close.ts'
