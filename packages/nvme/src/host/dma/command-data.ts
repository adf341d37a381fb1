// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus } from '@iolayers/block-core'
import type { CoherentBlock } from '@iolayers/dma-mapping'
import { SglType } from '../../spec/index.ts'
import { AllocResult, IodPayload, type NvmeIod } from './iod.ts'
import { type PrpList, prpEntries } from './prp-list.ts'
import { setCommandSgl } from './sgl-list.ts'

/** A command of somebody's own on an I/O queue. Dwords left out are 0; the queue's own are opcode, identifier, namespace and data pointer. */
export interface IoCommand {
  readonly opcode: number
  readonly cdw2?: number
  readonly cdw3?: number
  readonly cdw10?: number
  readonly cdw11?: number
  readonly cdw12?: number
  readonly cdw13?: number
  readonly cdw14?: number
  readonly cdw15?: number
  /** Filled with what the controller returns. */
  readonly dataIn?: Uint8Array
  /** Given to the controller; not together with `dataIn`. */
  readonly dataOut?: Uint8Array
  /** Left out, as long as I/O may take; without effect where the host has no `ioTimeoutNs`. */
  readonly timeoutNs?: number
}

/** On its way, and what became of it. */
export interface OwnCommand {
  readonly command: IoCommand
  /** Where its data is; null without any. */
  readonly block: CoherentBlock | null
  readonly lengthBytes: number
  /** Of the completion; -1 while there is none. */
  status: number
  result: number
}

/** The data of commands of somebody's own: in coherent memory, described by PRP entries, which every controller on PCIe takes. */
export class CommandData {
  readonly #prp: PrpList
  readonly #sglOnly: boolean

  constructor(prp: PrpList, sglOnly: boolean) {
    this.#prp = prp
    this.#sglOnly = sglOnly
  }

  /** Anything but OK: nothing is held. */
  prepare(iod: NvmeIod, own: OwnCommand): BlkStatus {
    iod.sgl = false
    iod.dptr.fill(0)
    if (own.block === null) return BlkStatus.OK
    if (this.#sglOnly) {
      setCommandSgl(iod, own.block.dmaAddr, own.lengthBytes, SglType.DATA_BLOCK)
      iod.payload = IodPayload.DESCRIPTORS
      return BlkStatus.OK
    }
    // Not a mapping of the request: it is undone by nobody.
    iod.mappedAddrs[0] = own.block.dmaAddr
    iod.mappedLengths[0] = own.lengthBytes
    iod.nrMapped = 1
    const result = this.#prp.build(iod, prpEntries(iod))
    iod.nrMapped = 0
    if (result !== AllocResult.OK) {
      return result === AllocResult.EMPTY ? BlkStatus.RESOURCE : BlkStatus.IOERR
    }
    iod.payload = IodPayload.DESCRIPTORS
    return BlkStatus.OK
  }
}
