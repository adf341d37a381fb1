// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { OwnCommand } from './command-data.ts'
import type { DescriptorPool } from './descriptor-pool.ts'

/** What the data of a command is, and so how its DMA is ended. DESCRIPTORS: nothing but blocks of a descriptor pool is held for it. */
export const IodPayload = { NONE: 0, DMABUF: 1, MAPPED: 2, DESCRIPTORS: 3 } as const
export type IodPayload = (typeof IodPayload)[keyof typeof IodPayload]

/** How many of what a command can need at most. */
export interface IodBounds {
  /** Blocks of one descriptor pool. */
  readonly descriptors: number
  /** Segments that are mapped for one request. */
  readonly mappings: number
}

/**
 * The driver's part of a request: made with its tag, with room for all that a command can need.
 * @see drivers/nvme/host/pci.c struct nvme_iod, drivers/nvme/host/nvme.h struct nvme_request
 */
export class NvmeIod {
  /** Counts the uses of the tag, four bits of it: part of the command identifier. */
  genctr: number
  /** Of this request so far; 0 again when it has ended. */
  retries: number
  /** An Abort command was sent for it. @see drivers/nvme/host/pci.c IOD_ABORTED */
  aborted: boolean
  payload: IodPayload
  /** The data pointer is an SGL descriptor, not PRP entries. */
  sgl: boolean
  /** Dwords 6 to 9 of the command. */
  readonly dptr: Uint32Array
  /** The pool that `descriptors` came from; null while there are none. */
  pool: DescriptorPool | null
  nrDescriptors: number
  /** Indices of blocks of `pool`, in the order of the list. */
  readonly descriptors: Int32Array
  /** Of a discard. */
  nrRanges: number
  /** The request is a command of somebody's own. */
  own: OwnCommand | null
  nrMapped: number
  /** DMA address and length of each mapping that this request made. */
  readonly mappedAddrs: Float64Array
  readonly mappedLengths: Float64Array

  constructor(bounds: IodBounds) {
    this.genctr = 0
    this.retries = 0
    this.aborted = false
    this.payload = IodPayload.NONE
    this.sgl = false
    this.dptr = new Uint32Array(4)
    this.pool = null
    this.nrDescriptors = 0
    this.descriptors = new Int32Array(bounds.descriptors)
    this.nrRanges = 0
    this.own = null
    this.nrMapped = 0
    this.mappedAddrs = new Float64Array(bounds.mappings)
    this.mappedLengths = new Float64Array(bounds.mappings)
  }
}

/** Why there are no descriptors: none is free now, or the command can never have so many. */
export const AllocResult = { OK: 0, EMPTY: 1, TOO_MANY: 2 } as const
export type AllocResult = (typeof AllocResult)[keyof typeof AllocResult]

/** Takes `count` blocks of a pool for a command, or none. */
export function iodAllocDescriptors(
  iod: NvmeIod,
  pool: DescriptorPool,
  count: number,
): AllocResult {
  assert(iod.nrDescriptors === 0, 'nvme: a command that has descriptors already')
  if (count > iod.descriptors.length) return AllocResult.TOO_MANY
  if (pool.free < count) return AllocResult.EMPTY
  iod.pool = pool
  iod.nrDescriptors = count
  for (let i = 0; i < count; i++) iod.descriptors[i] = pool.alloc()
  return AllocResult.OK
}

/** Gives back what `iodAllocDescriptors` took, to where it came from; nothing where it took nothing. */
export function iodFreeDescriptors(iod: NvmeIod): void {
  const pool = iod.pool
  if (pool === null) return
  for (let i = 0; i < iod.nrDescriptors; i++) pool.put(iod.descriptors[i] ?? -1)
  iod.nrDescriptors = 0
  iod.pool = null
}
