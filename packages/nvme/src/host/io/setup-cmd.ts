// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { ReqFlags, ReqOp, type Request, reqOp, SECTOR_SIZE } from '@iolayers/block-core'
import { NvmOpcode, PSDT_SHIFT, Psdt, SqeOffset, setUint64 } from '../../spec/index.ts'
import type { IoCommand } from '../dma/command-data.ts'
import { IodPayload, type NvmeIod } from '../dma/iod.ts'
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
/** Write Zeroes, upper half of dword 12: the blocks may be deallocated. */
const WZ_DEAC = 0x200
/** Dataset Management, dword 11. */
const DSM_ATTRIBUTE_DEALLOCATE = 1 << 2
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
    case ReqOp.DISCARD:
      return NvmOpcode.DATASET_MANAGEMENT
    case ReqOp.WRITE_ZEROES:
      return NvmOpcode.WRITE_ZEROES
    default:
      return rq.pdu.own?.command.opcode ?? -1
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
 * @see drivers/nvme/host/core.c nvme_setup_cmd
 */
export function writeCommand(
  view: DataView,
  at: number,
  rq: Request<NvmeIod>,
  ns: NvmeNs,
  opcode: number,
): void {
  const iod = rq.pdu
  const hasData = iod.payload !== IodPayload.NONE
  const flags = hasData && iod.sgl ? CMD_SGL_METABUF : 0
  view.setUint32(at, opcode | (flags << 8) | (commandIdOf(rq) << 16), true)
  view.setUint32(at + SqeOffset.NSID, ns.nsid, true)
  for (let dword = 2; dword < 6; dword++) view.setUint32(at + dword * 4, 0, true)
  const { dptr } = iod
  view.setUint32(at + SqeOffset.DPTR, hasData ? (dptr[0] ?? 0) : 0, true)
  view.setUint32(at + 28, hasData ? (dptr[1] ?? 0) : 0, true)
  view.setUint32(at + 32, hasData ? (dptr[2] ?? 0) : 0, true)
  view.setUint32(at + 36, hasData ? (dptr[3] ?? 0) : 0, true)
  if (reqOp(rq.cmdFlags) <= ReqOp.WRITE) writeRange(view, at, rq, ns, rwControlOf(rq))
  else writeOther(view, at, rq, ns)
}

/** Dwords 10 to 15 of what names one range of blocks. @see drivers/nvme/host/core.c nvme_setup_rw */
function writeRange(
  view: DataView,
  at: number,
  rq: Request<NvmeIod>,
  ns: NvmeNs,
  control: number,
): void {
  setUint64(view, at + SqeOffset.CDW10, rq.sector / ns.sectorsPerLba)
  // NLB is 0's based.
  const blocks = rq.dataBytes / (ns.sectorsPerLba * SECTOR_SIZE) - 1
  view.setUint32(at + SqeOffset.CDW12, blocks | (control << 16), true)
  view.setUint32(at + SqeOffset.CDW13, rwDsmgmtOf(rq), true)
  view.setUint32(at + SqeOffset.CDW14, 0, true)
  view.setUint32(at + SqeOffset.CDW15, 0, true)
}

/** @see drivers/nvme/host/core.c nvme_setup_flush, nvme_setup_discard, nvme_setup_write_zeroes */
function writeOther(view: DataView, at: number, rq: Request<NvmeIod>, ns: NvmeNs): void {
  const op = reqOp(rq.cmdFlags)
  if (op === ReqOp.WRITE_ZEROES) {
    const mayUnmap = ns.deallocatesZeroes && (rq.cmdFlags & ReqFlags.NOUNMAP) === 0
    writeRange(view, at, rq, ns, mayUnmap ? WZ_DEAC : 0)
    return
  }
  for (let dword = 10; dword < 16; dword++) view.setUint32(at + dword * 4, 0, true)
  if (op === ReqOp.DISCARD) {
    view.setUint32(at + SqeOffset.CDW10, rq.pdu.nrRanges - 1, true)
    view.setUint32(at + SqeOffset.CDW11, DSM_ATTRIBUTE_DEALLOCATE, true)
  } else if (rq.pdu.own !== null) writeOwn(view, at, rq.pdu.own.command)
}

function writeOwn(view: DataView, at: number, command: IoCommand): void {
  view.setUint32(at + 8, command.cdw2 ?? 0, true)
  view.setUint32(at + 12, command.cdw3 ?? 0, true)
  view.setUint32(at + SqeOffset.CDW10, command.cdw10 ?? 0, true)
  view.setUint32(at + SqeOffset.CDW11, command.cdw11 ?? 0, true)
  view.setUint32(at + SqeOffset.CDW12, command.cdw12 ?? 0, true)
  view.setUint32(at + SqeOffset.CDW13, command.cdw13 ?? 0, true)
  view.setUint32(at + SqeOffset.CDW14, command.cdw14 ?? 0, true)
  view.setUint32(at + SqeOffset.CDW15, command.cdw15 ?? 0, true)
}
