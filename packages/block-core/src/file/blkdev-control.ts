// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Ability, type ErrnoName, KernelError, type Op } from '@iolayers/kernel'
import type { Disk } from '../disk/disk.ts'
import {
  BlkdevZero,
  type BlkLibComponents,
  blkdevIssueDiscard,
  blkdevIssueSecureErase,
  blkdevIssueZeroout,
} from '../lib/blk-lib.ts'
import { SECTOR_SIZE } from '../req-flags.ts'

/** @see include/uapi/linux/falloc.h FALLOC_FL_* */
export const FallocFlags = {
  KEEP_SIZE: 0x01,
  PUNCH_HOLE: 0x02,
  COLLAPSE_RANGE: 0x08,
  ZERO_RANGE: 0x10,
  INSERT_RANGE: 0x20,
  UNSHARE_RANGE: 0x40,
  WRITE_ZEROES: 0x80,
} as const

const BLKDEV_FALLOC_FL_SUPPORTED =
  FallocFlags.KEEP_SIZE | FallocFlags.PUNCH_HOLE | FallocFlags.ZERO_RANGE | FallocFlags.WRITE_ZEROES
const PUNCH_HOLE_KEEP_SIZE = FallocFlags.PUNCH_HOLE | FallocFlags.KEEP_SIZE
const USHRT_MAX = 0xffff

/**
 * What a block device file does besides reading and writing: the ioctls, each a method of its own, and fallocate. All of it throws
 * KernelError. BLKFLSBUF and BLKBSZSET are left out: there is no page cache to write back.
 * @see block/ioctl.c
 */
export interface BlkdevControl {
  /** The capacity in bytes. */
  blkGetSize64(): number
  /** The capacity in sectors of 512 bytes, whatever the logical block. */
  blkGetSize(): number
  /** Bytes of a logical block. */
  blkSszGet(): number
  /** Bytes of a physical block. */
  blkPbszGet(): number
  blkIoMin(): number
  blkIoOpt(): number
  /** Bytes from the begin of a physical block to sector 0; -1: it says nothing, because stacked devices do not agree. */
  blkAlignOff(): number
  /** Whether seeking costs. */
  blkRotational(): boolean
  /** Sectors that one request takes; 65,535 also stands for more. */
  blkSectGet(): number
  blkRoGet(): boolean
  /** Writes that come from now on are refused with EPERM. */
  blkRoSet(readOnly: boolean): void
  /** EOPNOTSUPP, EBADF where the file is not open for writing, EPERM, EINVAL for an empty range, off the logical blocks or beyond the end. */
  blkDiscard(startBytes: number, lengthBytes: number): Op<void>
  /** The same errors, with EBADF first. */
  blkSecDiscard(startBytes: number, lengthBytes: number): Op<void>
  /** The same errors, but sectors of 512 bytes are asked for, then logical blocks. */
  blkZeroOut(startBytes: number, lengthBytes: number): Op<void>
  /**
   * ZERO_RANGE zeroes, PUNCH_HOLE with KEEP_SIZE zeroes and may free the space, and writes nothing itself; WRITE_ZEROES zeroes
   * and frees, on devices whose zeroing frees. With KEEP_SIZE a range that goes beyond the end is cut there. EOPNOTSUPP for anything else; EBADF, EINVAL, EPERM.
   * @see block/fops.c blkdev_fallocate
   */
  fallocate(mode: number, startBytes: number, lengthBytes: number): Op<void>
}

/** Asked of a `File` once. */
export const blkdevControl: Ability<BlkdevControl> = new Ability('block device control')

/** @see block/ioctl.c blkdev_common_ioctl */
export class BlkdevControls implements BlkdevControl {
  readonly #components: BlkLibComponents
  readonly #disk: Disk
  readonly #writable: boolean

  constructor(components: BlkLibComponents, writable: boolean) {
    this.#components = components
    this.#disk = components.disk
    this.#writable = writable
  }

  blkGetSize64(): number {
    return this.#disk.capacitySectors * SECTOR_SIZE
  }

  blkGetSize(): number {
    return this.#disk.capacitySectors
  }

  blkSszGet(): number {
    return this.#disk.limits.logicalBlockSizeBytes
  }

  blkPbszGet(): number {
    return this.#disk.limits.physicalBlockSizeBytes
  }

  blkIoMin(): number {
    return this.#disk.limits.ioMinBytes
  }

  blkIoOpt(): number {
    return this.#disk.limits.ioOptBytes
  }

  blkAlignOff(): number {
    const { misaligned, alignmentOffsetBytes } = this.#disk.limits
    return misaligned ? -1 : alignmentOffsetBytes
  }

  blkRotational(): boolean {
    return this.#disk.limits.rotational
  }

  blkSectGet(): number {
    return Math.min(this.#disk.limits.maxSectors, USHRT_MAX)
  }

  blkRoGet(): boolean {
    return this.#disk.readOnly
  }

  blkRoSet(readOnly: boolean): void {
    this.#disk.setReadOnly(readOnly)
  }

  /** @see block/ioctl.c blk_ioctl_discard */
  *blkDiscard(startBytes: number, lengthBytes: number): Op<void> {
    const { limits, readOnly } = this.#disk
    if (limits.maxDiscardSectors === 0) this.#refuse('EOPNOTSUPP', 'the device has no discard')
    this.#needWritable()
    if (readOnly) this.#refuse('EPERM', 'discarding on a read-only disk')
    this.#checkRange(startBytes, lengthBytes, limits.logicalBlockSizeBytes)
    const sector = startBytes / SECTOR_SIZE
    yield* blkdevIssueDiscard(this.#components, sector, lengthBytes / SECTOR_SIZE)
  }

  /** @see block/ioctl.c blk_ioctl_secure_erase */
  *blkSecDiscard(startBytes: number, lengthBytes: number): Op<void> {
    this.#needWritable()
    if (this.#disk.limits.maxSecureEraseSectors === 0) {
      this.#refuse('EOPNOTSUPP', 'the device cannot erase')
    }
    this.#checkRange(startBytes, lengthBytes, SECTOR_SIZE)
    const sector = startBytes / SECTOR_SIZE
    yield* blkdevIssueSecureErase(this.#components, sector, lengthBytes / SECTOR_SIZE)
  }

  /** @see block/ioctl.c blk_ioctl_zeroout */
  *blkZeroOut(startBytes: number, lengthBytes: number): Op<void> {
    this.#needWritable()
    this.#checkRange(startBytes, lengthBytes, SECTOR_SIZE)
    yield* this.#zeroout(startBytes, lengthBytes, BlkdevZero.NOUNMAP)
  }

  *fallocate(mode: number, startBytes: number, lengthBytes: number): Op<void> {
    if (startBytes < 0 || lengthBytes <= 0) this.#refuseRange(startBytes, lengthBytes)
    const flags = zerooutFlags(mode)
    if (flags < 0) this.#refuse('EOPNOTSUPP', `fallocate mode 0x${mode.toString(16)}`)
    const mustUnmap = mode === FallocFlags.WRITE_ZEROES
    if (mustUnmap && this.#disk.limits.maxWzeroesUnmapSectors === 0) {
      this.#refuse('EOPNOTSUPP', 'zeroing does not free on this device')
    }
    this.#needWritable()
    const size = this.blkGetSize64()
    const keepSize = (mode & FallocFlags.KEEP_SIZE) !== 0
    const length = keepSize ? Math.min(lengthBytes, size - startBytes) : lengthBytes
    this.#checkRange(startBytes, length, this.#disk.limits.logicalBlockSizeBytes)
    yield* this.#zeroout(startBytes, length, flags)
  }

  #zeroout(startBytes: number, lengthBytes: number, flags: number): Op<void> {
    const sectors = lengthBytes / SECTOR_SIZE
    return blkdevIssueZeroout(this.#components, startBytes / SECTOR_SIZE, sectors, flags)
  }

  #needWritable(): void {
    if (!this.#writable) this.#refuse('EBADF', 'the file is not open for writing')
  }

  /** @see block/ioctl.c blk_validate_byte_range */
  #checkRange(startBytes: number, lengthBytes: number, blockBytes: number): void {
    const isAligned = startBytes % blockBytes === 0 && lengthBytes % blockBytes === 0
    const isInside = startBytes >= 0 && startBytes + lengthBytes <= this.blkGetSize64()
    if (!isAligned || !isInside || lengthBytes <= 0) this.#refuseRange(startBytes, lengthBytes)
  }

  #refuseRange(startBytes: number, lengthBytes: number): never {
    const { name, capacitySectors } = this.#disk
    throw new KernelError('EINVAL', `${name}: a range that the disk does not have`, {
      value: `${lengthBytes} bytes at ${startBytes}`,
      accepted: `whole logical blocks within ${capacitySectors * SECTOR_SIZE} bytes`,
    })
  }

  #refuse(code: ErrnoName, message: string): never {
    throw new KernelError(code, `${this.#disk.name}: ${message}`)
  }
}

/** -1 for a mode that block devices do not have. */
function zerooutFlags(mode: number): number {
  if ((mode & ~BLKDEV_FALLOC_FL_SUPPORTED) !== 0) return -1
  if (mode === FallocFlags.WRITE_ZEROES) return 0
  if (mode === PUNCH_HOLE_KEEP_SIZE) return BlkdevZero.NOFALLBACK
  const isZeroRange = (mode & ~FallocFlags.KEEP_SIZE) === FallocFlags.ZERO_RANGE
  return isZeroRange ? BlkdevZero.NOUNMAP : -1
}
