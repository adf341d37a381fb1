// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { TCP_IC_BYTES, TcpFatalError } from '../../spec/index.ts'
import { fatal } from '../pdu-error.ts'
import type { PduAgreement } from '../pdu-reader.ts'
import { icResp } from '../pdu-writer.ts'

/** Data of one H2CData PDU. */
export const MAX_H2C_DATA_BYTES = 131_072
/** What PDO of what is sent to us is a multiple of. */
const ALIGNMENT_BYTES = 4

/** What a host and we have agreed on, each way, and the ICResp that says so. */
export interface Initialised {
  readonly reads: PduAgreement
  readonly writes: PduAgreement
  readonly reply: Uint8Array
}

/** Digests are those that the host wants. Throws PduError for an ICReq that nothing can be agreed on with. @see NVMe TCP Transport 1.1, 3.6.2.1 */
export function initialise(icReq: DataView): Initialised {
  if (icReq.getUint16(8, true) !== 0) {
    throw fatal('another version of PDUs', TcpFatalError.UNSUPPORTED_PARAMETER, 8, icReq)
  }
  const alignment = (icReq.getUint8(10) + 1) * 4
  if (alignment > TCP_IC_BYTES) {
    throw fatal('HPDA is out of range', TcpFatalError.INVALID_PDU_HEADER, 10, icReq)
  }
  const digests = icReq.getUint8(11)
  const agreed = { headerDigest: (digests & 1) !== 0, dataDigest: (digests & 2) !== 0 }
  const reads = { ...agreed, dataAlignmentBytes: ALIGNMENT_BYTES }
  return {
    reads,
    writes: { ...agreed, dataAlignmentBytes: alignment },
    reply: icResp({ ...reads, maxH2cDataBytes: MAX_H2C_DATA_BYTES }),
  }
}
