// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PSDT_SHIFT, Psdt, SglSubType, SglType, SqeOffset } from '../../spec/index.ts'
import type { LinkRequest } from './link-request.ts'

/** Where a command's data is, in its entry: in the capsule, or to be had from the transport. @see NVMe TCP Transport 1.1, 3.3.2 (SGL descriptors) */
export function describeData(
  entry: Uint8Array,
  { memory }: LinkRequest,
  isInCapsule: boolean,
): void {
  const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength)
  view.setUint8(
    SqeOffset.FLAGS,
    (view.getUint8(SqeOffset.FLAGS) & 3) | (Psdt.SGL_MPTR_CONTIGUOUS << PSDT_SHIFT),
  )
  for (let at = 0; at < 16; at += 4) view.setUint32(SqeOffset.DPTR + at, 0, true)
  view.setUint32(SqeOffset.DPTR + 8, memory.lengthBytes, true)
  const type = isInCapsule
    ? (SglType.DATA_BLOCK << 4) | SglSubType.OFFSET
    : (SglType.TRANSPORT_DATA_BLOCK << 4) | SglSubType.TRANSPORT
  view.setUint8(SqeOffset.DPTR + 15, type)
}
