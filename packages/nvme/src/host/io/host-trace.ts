// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { ReqOp, type Request, reqOp, SECTOR_SIZE } from '@iolayers/block-core'
import type { Tracepoint, Tracer } from '@iolayers/kernel'
import { NvmOpcode, SglType } from '../../spec/index.ts'
import { IodPayload, type NvmeIod } from '../dma/iod.ts'
import type { NvmeQueue } from '../queue/nvme-queue.ts'
import type { NvmeNs } from './nvme-ns.ts'
import { CMD_SGL_METABUF, commandIdOf, rwControlOf, rwDsmgmtOf } from './setup-cmd.ts'

const OPCODE_NAMES: Readonly<Record<number, string>> = {
  [NvmOpcode.FLUSH]: 'nvme_cmd_flush',
  [NvmOpcode.WRITE]: 'nvme_cmd_write',
  [NvmOpcode.READ]: 'nvme_cmd_read',
  [NvmOpcode.WRITE_ZEROES]: 'nvme_cmd_write_zeroes',
  [NvmOpcode.DATASET_MANAGEMENT]: 'nvme_cmd_dsm',
}

const SGL_TYPE_NAMES: Readonly<Record<number, string>> = {
  [SglType.DATA_BLOCK]: 'data block',
  [SglType.SEGMENT]: 'segment',
  [SglType.LAST_SEGMENT]: 'last segment',
}

/** @see drivers/nvme/host/trace.h */
export class HostTrace {
  readonly setupCmd: Tracepoint
  readonly completeRq: Tracepoint
  readonly sq: Tracepoint
  /** Not in the kernel: what the data pointer of a command says. */
  readonly dataPointer: Tracepoint
  /** Not in the kernel, which logs it: what was done about a command that took too long. */
  readonly timeout: Tracepoint
  /** Not in the kernel: a request that was taken back from a stopped controller. */
  readonly cancel: Tracepoint
  /** Not in the kernel. */
  readonly ctrlState: Tracepoint
  readonly #ctrlId: number

  constructor(tracer: Tracer, ctrlId: number) {
    this.#ctrlId = ctrlId
    this.setupCmd = tracer.point('nvme_setup_cmd', [
      'disk',
      'ctrl_id',
      'qid',
      'cmdid',
      'nsid',
      'flags',
      'opcode',
      'cdw10',
    ])
    this.completeRq = tracer.point('nvme_complete_rq', [
      'disk',
      'ctrl_id',
      'qid',
      'cmdid',
      'result',
      'retries',
      'flags',
      'status',
    ])
    this.sq = tracer.point('nvme_sq', ['disk', 'ctrl_id', 'qid', 'sq_head', 'sq_tail'])
    this.dataPointer = tracer.point('nvme_data_pointer', ['cmdid', 'sgl1', 'prp1', 'prp2'])
    this.timeout = tracer.point('nvme_timeout', ['disk', 'ctrl_id', 'qid', 'cmdid', 'action'])
    this.cancel = tracer.point('nvme_cancel_request', ['disk', 'ctrl_id', 'qid', 'cmdid'])
    this.ctrlState = tracer.point('nvme_ctrl_state', ['ctrl_id', 'from', 'to'])
  }

  emitSetupCmd(rq: Request<NvmeIod>, ns: NvmeNs, queue: NvmeQueue, opcode: number): void {
    const hasData = rq.pdu.payload !== IodPayload.NONE
    this.setupCmd.emit(
      ns.disk.name,
      this.#ctrlId,
      queue.qid,
      commandIdOf(rq),
      ns.nsid,
      hasData && rq.pdu.sgl ? CMD_SGL_METABUF : 0,
      OPCODE_NAMES[opcode] ?? opcode,
      argumentsText(rq, ns),
    )
  }

  /** An SGL command has one descriptor of its own, a PRP command two entries. */
  emitDataPointer(rq: Request<NvmeIod>): void {
    const [low = 0, high = 0, third = 0, fourth = 0] = rq.pdu.dptr
    const first = hex64(low, high)
    if (rq.pdu.sgl) {
      const type = SGL_TYPE_NAMES[fourth >>> 28] ?? `type ${fourth >>> 28}`
      this.dataPointer.emit(commandIdOf(rq), `${type} ${first}+${third >>> 0}`, '', '')
      return
    }
    this.dataPointer.emit(commandIdOf(rq), '', first, hex64(third, fourth))
  }

  emitCompleteRq(rq: Request<NvmeIod>, queue: NvmeQueue, result: number, status: number): void {
    const name = rq.mqHctx?.disk.name ?? ''
    const cid = commandIdOf(rq)
    this.completeRq.emit(name, this.#ctrlId, queue.qid, cid, result, rq.pdu.retries, 0, status)
  }

  emitTimeout(rq: Request<NvmeIod>, queue: NvmeQueue, action: string): void {
    const name = rq.mqHctx?.disk.name ?? ''
    this.timeout.emit(name, this.#ctrlId, queue.qid, commandIdOf(rq), action)
  }

  emitCancel(rq: Request<NvmeIod>, queue: NvmeQueue): void {
    const name = rq.mqHctx?.disk.name ?? ''
    this.cancel.emit(name, this.#ctrlId, queue.qid, commandIdOf(rq))
  }

  emitCtrlState(from: string, to: string): void {
    this.ctrlState.emit(this.#ctrlId, from, to)
  }

  emitSq(rq: Request<NvmeIod>, queue: NvmeQueue): void {
    const name = rq.mqHctx?.disk.name ?? ''
    this.sq.emit(name, this.#ctrlId, queue.qid, queue.sqHead, queue.sqTail)
  }
}

function hex64(low: number, high: number): string {
  return `0x${((high >>> 0) * 0x1_0000_0000 + (low >>> 0)).toString(16)}`
}

function argumentsText(rq: Request<NvmeIod>, ns: NvmeNs): string {
  const op = reqOp(rq.cmdFlags)
  if (op === ReqOp.DISCARD) return `nr=${rq.pdu.nrRanges - 1}, attributes=4`
  const namesRange = op <= ReqOp.WRITE || op === ReqOp.WRITE_ZEROES
  return namesRange ? rwText(rq, ns) : ''
}

/** @see drivers/nvme/host/trace.c nvme_trace_read_write */
function rwText(rq: Request<NvmeIod>, ns: NvmeNs): string {
  const slba = rq.sector / ns.sectorsPerLba
  const length = rq.dataBytes / (ns.sectorsPerLba * SECTOR_SIZE) - 1
  return `slba=${slba}, len=${length}, ctrl=0x${rwControlOf(rq).toString(16)}, dsmgmt=${rwDsmgmtOf(rq)}`
}
