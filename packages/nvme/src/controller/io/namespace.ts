// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { INVALID_NAMESPACE, invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import {
  type CancellableStore,
  isCancellable,
  type NamespaceInit,
  type NamespaceStore,
  StoreOp,
} from '../contracts.ts'
import { NAMESPACES_MAX } from '../namespaces-max.ts'
import type { Controller } from '../nvme-controller.ts'
import { BlockRanges } from './block-ranges.ts'

/** Ranges of blocks that are marked uncorrectable at once: more of them would cost the controller more memory than it has for this. */
const UNCORRECTABLE_MAX = 1024

/** What the command handlers see of a namespace. */
export class Namespace {
  readonly store: NamespaceStore
  /** The store again, if it can let go of an I/O. */
  readonly cancellable: CancellableStore | null
  readonly blockBytes: 512 | 4096
  readonly blocks: number
  readonly zeroes: boolean
  readonly deallocates: boolean
  /** Blocks that fail when they are read, until they are written. @see NVM Command Set 1.1, 3.3.7 (Write Uncorrectable) */
  readonly uncorrectable: BlockRanges = new BlockRanges(UNCORRECTABLE_MAX)

  constructor(init: NamespaceInit, blockBytes: 512 | 4096, blocks: number) {
    const { store } = init
    this.store = store
    this.cancellable = isCancellable(store) ? store : null
    this.blockBytes = blockBytes
    this.blocks = blocks
    this.zeroes = store.supports?.(StoreOp.WRITE_ZEROES) === true
    this.deallocates = store.supports?.(StoreOp.DEALLOCATE) === true
  }
}

/** Throws EINVAL for a block size other than 512 and 4096, and for a store smaller than a block. */
export function makeNamespace(init: NamespaceInit): Namespace {
  const blockBytes = init.logicalBlockBytes ?? 512
  if (blockBytes !== 512 && blockBytes !== 4096) {
    throw new KernelError('EINVAL', 'logicalBlockBytes', {
      value: blockBytes,
      accepted: '512 or 4096',
    })
  }
  const blocks = Math.floor(init.store.sizeBytes / blockBytes)
  if (blocks === 0) {
    throw new KernelError('EINVAL', 'size of the store', {
      value: init.store.sizeBytes,
      accepted: `at least ${blockBytes}`,
    })
  }
  return new Namespace(init, blockBytes, blocks)
}

/**
 * The namespace that a command is for, or the refusal: one that could be there is an invalid field, one that could not an invalid namespace.
 * @see NVMe Base 2.1, 3.2.1.5
 */
export function namespaceOf(controller: Controller, slot: CommandSlot): Namespace | number {
  return controller.namespaces.get(slot.nsid) ?? noNamespace(controller, slot, slot.nsid)
}

/** The same for an identifier under which there is none, or one that is being formatted. */
export function noNamespace(controller: Controller, slot: CommandSlot, nsid: number): number {
  if (controller.table.formatting.has(nsid)) return Status.FORMAT_IN_PROGRESS
  const possible = nsid > 0 && nsid <= NAMESPACES_MAX
  if (possible) return invalidField(slot, SqeOffset.NSID)
  slot.errorAt = SqeOffset.NSID
  return INVALID_NAMESPACE
}

/** SUCCESS, or the refusal of blocks that are not all there. */
export function checkRange(namespace: Namespace, firstBlock: number, blocks: number): number {
  return firstBlock + blocks > namespace.blocks ? LBA_OUT_OF_RANGE : Status.SUCCESS
}

/** SUCCESS, or the refusal to read blocks of which one was marked. It stays so until it is written. */
export function checkReadable(namespace: Namespace, firstBlock: number, blocks: number): number {
  const { uncorrectable } = namespace
  if (uncorrectable.empty || !uncorrectable.overlaps(firstBlock, blocks)) return Status.SUCCESS
  return Status.UNRECOVERED_READ | STATUS_DNR
}

const LBA_OUT_OF_RANGE = Status.LBA_OUT_OF_RANGE | STATUS_DNR
