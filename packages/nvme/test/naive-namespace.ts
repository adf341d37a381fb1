// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a namespace is, in a few lines: an array of blocks, and a set of those that were marked.

import { NvmOpcode, Status } from '../src/spec/index.ts'

export interface ModelCommand {
  readonly opcode: number
  readonly first: number
  readonly blocks: number
  /** Of Write and Compare. */
  readonly data?: Uint8Array
  /** Of Dataset Management and Copy. */
  readonly ranges?: readonly { readonly first: number; readonly blocks: number }[]
}

export class NaiveNamespace {
  blockBytes: number
  readonly bytes: Uint8Array
  readonly marked: Set<number> = new Set()

  constructor(sizeBytes: number, blockBytes: number) {
    this.bytes = new Uint8Array(sizeBytes)
    this.blockBytes = blockBytes
  }

  get blocks(): number {
    return this.bytes.length / this.blockBytes
  }

  format(blockBytes: number): void {
    this.blockBytes = blockBytes
    this.bytes.fill(0)
    this.marked.clear()
  }

  slice(first: number, blocks: number): Uint8Array {
    return this.bytes.slice(first * this.blockBytes, (first + blocks) * this.blockBytes)
  }

  /** Status type and code. */
  run(command: ModelCommand): number {
    const { opcode, first, blocks, data, ranges = [] } = command
    if (opcode === NvmOpcode.FLUSH) return 0
    if (opcode === NvmOpcode.DATASET_MANAGEMENT) return this.#deallocate(ranges)
    if (opcode === NvmOpcode.COPY) return this.#copy(first, ranges)
    if (first + blocks > this.blocks) return Status.LBA_OUT_OF_RANGE
    switch (opcode) {
      case NvmOpcode.WRITE:
        this.#put(first, data ?? new Uint8Array(blocks * this.blockBytes))
        return 0
      case NvmOpcode.WRITE_ZEROES:
        this.#put(first, new Uint8Array(blocks * this.blockBytes))
        return 0
      case NvmOpcode.WRITE_UNCORRECTABLE:
        for (let i = 0; i < blocks; i++) this.marked.add(first + i)
        return 0
      case NvmOpcode.COMPARE:
        if (this.#isMarked(first, blocks)) return Status.UNRECOVERED_READ
        return Buffer.compare(this.slice(first, blocks), data ?? new Uint8Array()) === 0
          ? 0
          : Status.COMPARE_FAILURE
      default:
        return this.#isMarked(first, blocks) ? Status.UNRECOVERED_READ : 0
    }
  }

  #deallocate(ranges: readonly { readonly first: number; readonly blocks: number }[]): number {
    if (ranges.some(({ first, blocks }) => first + blocks > this.blocks)) {
      return Status.LBA_OUT_OF_RANGE
    }
    for (const { first, blocks } of ranges)
      this.#put(first, new Uint8Array(blocks * this.blockBytes))
    return 0
  }

  #copy(
    target: number,
    ranges: readonly { readonly first: number; readonly blocks: number }[],
  ): number {
    const total = ranges.reduce((sum, { blocks }) => sum + blocks, 0)
    if (ranges.some(({ first, blocks }) => first + blocks > this.blocks))
      return Status.LBA_OUT_OF_RANGE
    if (target + total > this.blocks) return Status.LBA_OUT_OF_RANGE
    const overlaps = ranges.some(
      ({ first, blocks }) => first < target + total && target < first + blocks,
    )
    if (overlaps) return Status.OVERLAPPING_IO_RANGE
    let at = target
    for (const { first, blocks } of ranges) {
      if (this.#isMarked(first, blocks)) return Status.UNRECOVERED_READ
      this.#put(at, this.slice(first, blocks))
      at += blocks
    }
    return 0
  }

  #put(first: number, data: Uint8Array): void {
    this.bytes.set(data, first * this.blockBytes)
    for (let i = 0; i < data.length / this.blockBytes; i++) this.marked.delete(first + i)
  }

  #isMarked(first: number, blocks: number): boolean {
    for (let i = 0; i < blocks; i++) if (this.marked.has(first + i)) return true
    return false
  }
}
