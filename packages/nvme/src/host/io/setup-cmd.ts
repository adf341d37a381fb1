// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { ReqFlags, ReqOp, type Request, reqOp, SECTOR_SIZE } from '@iolayers/block-core'
import { NvmOpcode, PSDT_SHIFT, Psdt, SqeOffset, setUint64 } from '../../spec/index.ts'
import type { NvmeIod } from '../dma/iod.ts'
import type { NvmeNs } from './nvme-ns.ts'

/** The tag in the lower twelve bits, above them the count of the tag's uses. @see drivers/nvme/host/nvme.h nvme_cid */
export const CID_TAG_BITS = 12
export const CID_TAG_MASK: number = (1 << CID_TAG_BITS) - 1
const GENCTR_MASK = 0xf

/** An SGL for the data, metadata contiguous. @see include/linux/nvme.h NVME_CMD_SGL_METABUF */
export const CMD_SGL_METABUF: number = Psdt.SGL_MPTR_CONTIGUOUS << PSDT_SHIFT
/** Upper half of dword 12 of read and write. */
const RW_FUA = 0x4000
const RW_LIMITED_RETRY = 0x8000
/** Dword 13: an access that will be asked for soon. */
const DSM_FREQ_PREFETCH = 7

/** A new use of the tag. @see drivers/nvme/host/core.c nvme_setup_cmd */
export function nextGenctr(iod: NvmeIod): void {
  iod.genctr = (iod.genctr + 1) & GENCTR_MASK
}

export function commandIdOf(rq: Request<NvmeIod>): number {
  return (rq.pdu.genctr << CID_TAG_BITS) | rq.tag
}

/** The NVM command of a request; -1 where there is none. */
export function nvmOpcodeOf(rq: Request<NvmeIod>): number {
  switch (reqOp(rq.cmdFlags)) {
    case ReqOp.READ:
      return NvmOpcode.READ
    case ReqOp.WRITE:
      return NvmOpcode.WRITE
    case ReqOp.FLUSH:
      return NvmOpcode.FLUSH
    default:
      return -1
  }
}

/** Upper half of dword 12. @see drivers/nvme/host/core.c nvme_setup_rw */
export function rwControlOf(rq: Request<NvmeIod>): number {
  const fua = (rq.cmdFlags & ReqFlags.FUA) === 0 ? 0 : RW_FUA
  const limited = (rq.cmdFlags & ReqFlags.RAHEAD) === 0 ? 0 : RW_LIMITED_RETRY
  return fua | limited
}

/** Dword 13. */
export function rwDsmgmtOf(rq: Request<NvmeIod>): number {
  return (rq.cmdFlags & ReqFlags.RAHEAD) === 0 ? 0 : DSM_FREQ_PREFETCH
}

/**
 * Writes the whole submission queue entry of a prepared request at a byte offset.
 * @see drivers/nvme/host/core.c nvme_setup_rw, nvme_setup_flush
 */
export function writeCommand(
  view: DataView,
  at: number,
  rq: Request<NvmeIod>,
  ns: NvmeNs,
  opcode: number,
): void {
  const iod = rq.pdu
  const isFlush = opcode === NvmOpcode.FLUSH
  const flags = !isFlush && iod.sgl ? CMD_SGL_METABUF : 0
  view.setUint32(at, opcode | (flags << 8) | (commandIdOf(rq) << 16), true)
  view.setUint32(at + SqeOffset.NSID, ns.nsid, true)
  for (let dword = 2; dword < 6; dword++) view.setUint32(at + dword * 4, 0, true)
  if (isFlush) {
    for (let dword = 6; dword < 16; dword++) view.setUint32(at + dword * 4, 0, true)
    return
  }
  const { dptr } = iod
  view.setUint32(at + SqeOffset.DPTR, dptr[0] ?? 0, true)
  view.setUint32(at + 28, dptr[1] ?? 0, true)
  view.setUint32(at + 32, dptr[2] ?? 0, true)
  view.setUint32(at + 36, dptr[3] ?? 0, true)
  setUint64(view, at + SqeOffset.CDW10, rq.sector / ns.sectorsPerLba)
  // NLB is 0's based.
  const blocks = rq.dataBytes / (ns.sectorsPerLba * SECTOR_SIZE) - 1
  view.setUint32(at + SqeOffset.CDW12, blocks | (rwControlOf(rq) << 16), true)
  view.setUint32(at + SqeOffset.CDW13, rwDsmgmtOf(rq), true)
  view.setUint32(at + SqeOffset.CDW14, 0, true)
  view.setUint32(at + SqeOffset.CDW15, 0, true)
}
