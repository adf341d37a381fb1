// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a controller may send to a host, and where. Each throws PduError for what it may not.

import { TCP_MAXH2CDATA_MIN, TcpFatalError, TcpFlags } from '../../spec/index.ts'
import { Direction } from '../data-direction.ts'
import { fatal } from '../pdu-error.ts'
import type { PduHeader } from '../pdu-reader.ts'
import type { LinkRequest } from './link-request.ts'

const ALIGNMENT_BYTES_MAX = 128
const { DATA_OUT_OF_RANGE, INVALID_PDU_HEADER, PDU_SEQUENCE, UNSUPPORTED_PARAMETER } = TcpFatalError

/** What the controller asks for in its ICResp. @see NVMe TCP Transport 1.1, 3.6.2.2; drivers/nvme/host/tcp.c nvme_tcp_init_connection */
export function checkIcResp(
  view: DataView,
  wanted: { readonly headerDigest: boolean; readonly dataDigest: boolean },
): { readonly alignmentBytes: number; readonly maxH2cBytes: number } {
  const pfv = view.getUint16(8, true)
  const alignmentBytes = (view.getUint8(10) + 1) * 4
  const digests = (wanted.headerDigest ? 1 : 0) | (wanted.dataDigest ? 2 : 0)
  const maxH2cBytes = view.getUint32(12, true)
  if (pfv !== 0) throw fatal(`ICResp with PFV ${pfv}`, UNSUPPORTED_PARAMETER, 8, view)
  if (alignmentBytes > ALIGNMENT_BYTES_MAX) {
    throw fatal('ICResp with CPDA out of range', INVALID_PDU_HEADER, 10, view)
  }
  if (view.getUint8(11) !== digests) {
    throw fatal('ICResp with other digests than were asked for', UNSUPPORTED_PARAMETER, 11, view)
  }
  if (maxH2cBytes < TCP_MAXH2CDATA_MIN || maxH2cBytes % 4 !== 0) {
    throw fatal(`ICResp with MAXH2CDATA ${maxH2cBytes}`, INVALID_PDU_HEADER, 12, view)
  }
  return { alignmentBytes, maxH2cBytes }
}

/** Data of a read comes in order, and ends where the memory ends. @see NVMe TCP Transport 1.1, 3.6.2.8 */
export function checkC2hData({ view, flags, dataBytes }: PduHeader, request: LinkRequest): void {
  const { direction, hasStatus, memory, movedBytes } = request
  const offset = view.getUint32(12, true)
  const endsEarly = (flags & TcpFlags.SUCCESS) !== 0 && (flags & TcpFlags.LAST_PDU) === 0
  if (direction !== Direction.FROM_CONTROLLER || hasStatus) {
    throw fatal('C2HData of a command that awaits none', PDU_SEQUENCE, 0, view)
  }
  if (view.getUint32(16, true) !== dataBytes) {
    throw fatal('C2HData whose DATAL is not that of its data', INVALID_PDU_HEADER, 16, view)
  }
  if (offset !== movedBytes || offset + dataBytes > memory.lengthBytes) {
    const text = `C2HData of ${dataBytes} bytes at ${offset}, of ${memory.lengthBytes} with ${movedBytes} there`
    throw fatal(text, DATA_OUT_OF_RANGE, 0, view)
  }
  if (endsEarly) {
    throw fatal('C2HData that ends its command and is not the last', INVALID_PDU_HEADER, 1, view)
  }
}

/** Data of a write is asked for in order, and no more than there is. @see NVMe TCP Transport 1.1, 3.6.2.9 */
export function checkR2t(view: DataView, request: LinkRequest): void {
  const { direction, hasStatus, memory, movedBytes } = request
  const offset = view.getUint32(12, true)
  const length = view.getUint32(16, true)
  if (direction !== Direction.TO_CONTROLLER || hasStatus) {
    throw fatal('R2T of a command that has nothing to send', PDU_SEQUENCE, 0, view)
  }
  if (length === 0 || offset !== movedBytes || offset + length > memory.lengthBytes) {
    const text = `R2T for ${length} bytes at ${offset}, of ${memory.lengthBytes} with ${movedBytes} sent`
    throw fatal(text, DATA_OUT_OF_RANGE, 0, view)
  }
}
