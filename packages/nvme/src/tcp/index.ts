// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { type ConnectOptions, connect, connectOp, discover } from './connect.ts'
export { crc32c } from './crc32c.ts'
export type { ConnectInit } from './host/connect-init.ts'
export type { DiscoverInit, DiscoveryEntry, DiscoveryLog } from './host/discover.ts'
export { LinkError } from './host/link-error.ts'
export type { LinkEvent, TcpHost, TcpHostComponents } from './host/tcp-host.ts'
export { PduError } from './pdu-error.ts'
export type { PduSide } from './pdu-kinds.ts'
export {
  type PduAgreement,
  type PduHeader,
  PduReader,
  type PduReaderInit,
  type PduSink,
} from './pdu-reader.ts'
export {
  type DataPlace,
  type IcInit,
  icReq,
  icResp,
  PduWriter,
  termReq,
} from './pdu-writer.ts'
export { type ServeInit, serve, type TcpTarget } from './serve.ts'
export type { HostEvent, Subsystem, TargetLimits, TargetNamespace } from './target/target-types.ts'
