// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Ability, type File, type Op } from '@iolayers/kernel'

/** @see include/uapi/linux/memfd.h */
export const MemfdFlags = {
  MFD_CLOEXEC: 0x1,
  MFD_ALLOW_SEALING: 0x2,
  MFD_NOEXEC_SEAL: 0x8,
  MFD_EXEC: 0x10,
} as const

/** What can never be done to a memory file again. @see include/uapi/linux/fcntl.h */
export const MemfdSeals = {
  /** Adding seals. */
  F_SEAL_SEAL: 0x1,
  F_SEAL_SHRINK: 0x2,
  F_SEAL_GROW: 0x4,
  /** Writing, by any way: refused while a writable mapping or a pinned page is left. */
  F_SEAL_WRITE: 0x8,
  /** Writing, but through mappings that are there. */
  F_SEAL_FUTURE_WRITE: 0x10,
  F_SEAL_EXEC: 0x20,
} as const

/** Pages of a memory file that stay where they are, and stay at all, until they are let go; also when the file shrinks or goes away. */
export interface MemfdPin {
  /** One frame a page, in the order of the file. */
  readonly frames: readonly number[]
  /** Once. */
  unpin(): void
}

/** A shared mapping of a memory file. Holds a reference on the file. */
export interface MemfdMapping {
  readonly offsetBytes: number
  readonly lengthBytes: number
  readonly write: boolean
  /** The bytes where they are now. Throws EFAULT where the file has ended meanwhile (SIGBUS to a program), ENOMEM. */
  segments(): readonly Uint8Array[]
  munmap(): void
}

/**
 * A file whose bytes are pages of memory, allocated when they are first written or pinned; what was never written reads as zeros.
 *
 * What the kernel does under the inode lock is an `Op` here, as adding a seal may hold that lock while it waits.
 *
 * @see mm/memfd.c, mm/shmem.c
 */
export interface Memfd {
  /** Behind it is what a descriptor names; the maker has one reference. Reads from its position. */
  readonly file: File
  readonly sizeBytes: number
  /** Pages that the file has now; those that are pinned and not the file's any more do not count. */
  readonly pages: number
  /** Reads from `offsetBytes` on; how many bytes, fewer at the end of the file, 0 behind it. */
  read(target: Uint8Array, offsetBytes: number): number
  /**
   * Writes, and grows the file where that is past its end; how many bytes, fewer when something came up after some of them. Throws EPERM under F_SEAL_WRITE or F_SEAL_FUTURE_WRITE, and under
   * F_SEAL_GROW past the end; ENOMEM, EBADF for a file that is open for reading.
   *
   * @see mm/shmem.c shmem_write_begin
   */
  write(source: Uint8Array, offsetBytes: number): Op<number>
  /** Throws EPERM where a seal forbids it, EINVAL for a bad size or a file that is open for reading. @see mm/shmem.c shmem_setattr */
  truncate(sizeBytes: number): Op<void>
  /**
   * Gives whole pages back, which then read as zeros, and zeroes parts of pages. A page that somebody has pinned is not the file's any more: from here on the two have nothing in common.
   * Throws EPERM under F_SEAL_WRITE or F_SEAL_FUTURE_WRITE. @see mm/shmem.c shmem_fallocate
   */
  punchHole(offsetBytes: number, lengthBytes: number): Op<void>
  getSeals(): number
  /**
   * Adds seals; there is no way back. Throws EPERM when the file is sealed against that or open for reading, EINVAL for an unknown seal, EBUSY for F_SEAL_WRITE when a writable
   * mapping is left, or a pinned page after 150 ms of waiting. @see mm/memfd.c memfd_add_seals
   */
  addSeals(seals: number): Op<void>
  /**
   * Pins a range of whole pages, allocating those that are missing. `allow` is given the seals first, under the same lock, and may throw. Throws EINVAL for a range that is not whole
   * pages, empty or beyond the end, ENOMEM. @see mm/gup.c memfd_pin_folios
   */
  pin(offsetBytes: number, lengthBytes: number, allow?: (seals: number) => void): Op<MemfdPin>
  /**
   * A shared mapping, of whole pages. Throws EPERM for a writable one under F_SEAL_WRITE or F_SEAL_FUTURE_WRITE, EINVAL for a bad range, EACCES. @see mm/shmem.c shmem_mmap
   */
  mmap(offsetBytes: number, lengthBytes: number, access: 'read' | 'write'): MemfdMapping
}

/** What a file answers that is a memory file. @see include/linux/shmem_fs.h shmem_file */
export const memfdFile: Ability<Memfd> = new Ability<Memfd>('memfd')
