// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  TCP_CAPSULE_CMD_BYTES,
  TCP_CAPSULE_RESP_BYTES,
  TCP_DATA_BYTES,
  TCP_IC_BYTES,
  TCP_TERM_BYTES,
  TCP_TERM_BYTES_MAX,
  TcpPduType,
} from '../spec/index.ts'

/** Who reads. */
export type PduSide = 'controller' | 'host'

export interface PduKind {
  readonly name: string
  readonly headerBytes: number
  /** To whom it is sent. */
  readonly to: PduSide
  /** It may have data; `null` for as much as the reader takes. */
  readonly dataBytesMax: number | null
  /** Whether header and data have digests, where they were agreed on. */
  readonly hasDigests: boolean
}

const NOTHING = { dataBytesMax: 0, hasDigests: true } as const
const WITHOUT_DIGESTS = { dataBytesMax: 0, hasDigests: false } as const
const TERMINATES = {
  headerBytes: TCP_TERM_BYTES,
  dataBytesMax: TCP_TERM_BYTES_MAX - TCP_TERM_BYTES,
  hasDigests: false,
} as const

/** By PDU type. @see NVMe TCP Transport 1.1, 3.6.2 */
export const PDU_KINDS: ReadonlyMap<number, PduKind> = new Map<number, PduKind>([
  [
    TcpPduType.IC_REQ,
    { name: 'ICReq', headerBytes: TCP_IC_BYTES, to: 'controller', ...WITHOUT_DIGESTS },
  ],
  [
    TcpPduType.IC_RESP,
    { name: 'ICResp', headerBytes: TCP_IC_BYTES, to: 'host', ...WITHOUT_DIGESTS },
  ],
  [TcpPduType.H2C_TERM_REQ, { name: 'H2CTermReq', to: 'controller', ...TERMINATES }],
  [TcpPduType.C2H_TERM_REQ, { name: 'C2HTermReq', to: 'host', ...TERMINATES }],
  [
    TcpPduType.CAPSULE_CMD,
    {
      name: 'CapsuleCmd',
      headerBytes: TCP_CAPSULE_CMD_BYTES,
      to: 'controller',
      dataBytesMax: null,
      hasDigests: true,
    },
  ],
  [
    TcpPduType.CAPSULE_RESP,
    { name: 'CapsuleResp', headerBytes: TCP_CAPSULE_RESP_BYTES, to: 'host', ...NOTHING },
  ],
  [
    TcpPduType.H2C_DATA,
    {
      name: 'H2CData',
      headerBytes: TCP_DATA_BYTES,
      to: 'controller',
      dataBytesMax: null,
      hasDigests: true,
    },
  ],
  [
    TcpPduType.C2H_DATA,
    {
      name: 'C2HData',
      headerBytes: TCP_DATA_BYTES,
      to: 'host',
      dataBytesMax: null,
      hasDigests: true,
    },
  ],
  [TcpPduType.R2T, { name: 'R2T', headerBytes: TCP_DATA_BYTES, to: 'host', ...NOTHING }],
])
