// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import type { BioVec } from './bio-vec.ts'
import type { IovIter } from './iov-iter.ts'
import { IterType } from './iter-type.ts'

/**
 * The memory that the copies work on: a `PhysicalMemory`, or a {@link UserMemory} where user accesses may fault.
 * Simulated user memory is identity mapped, so an address is the same for both sides.
 */
export interface IterMemory extends Pick<PhysicalMemory, 'read' | 'write' | 'copy' | 'regionAt'> {
  /**
   * How many bytes from `addr` on, at most `lengthBytes`, a user access reaches before it faults: 0 where the first
   * one does. Asked for UBUF and IOVEC only. Without it, only what is no memory at all faults.
   */
  userAccess?(addr: number, lengthBytes: number, isWrite: boolean): number
}

/** What a user's page table says of a page. */
export const UserProt = { NONE: 0, READ: 1, READ_WRITE: 3 } as const
export type UserProt = (typeof UserProt)[keyof typeof UserProt]

/**
 * Physical memory as a user process sees it, with protection page by page: everything is readable and writable until
 * {@link protect} says otherwise. The kernel's own accesses (and a device's DMA) are not concerned.
 */
export class UserMemory implements IterMemory {
  readonly #memory: PhysicalMemory
  readonly #prot = new Map<number, UserProt>()

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
  }

  /** From now on, accesses of the user that `prot` does not allow fault in these frames. @see mm/mprotect.c */
  protect(frame: number, frames: number, prot: UserProt): void {
    for (let i = frame; i < frame + frames; i += 1) {
      if (prot === UserProt.READ_WRITE) this.#prot.delete(i)
      else this.#prot.set(i, prot)
    }
  }

  userAccess(addr: number, lengthBytes: number, isWrite: boolean): number {
    const end = addr + lengthBytes
    let at = addr
    while (at < end) {
      const frame = Math.floor(at / PAGE_SIZE)
      const prot = this.#prot.get(frame) ?? UserProt.READ_WRITE
      if (prot === UserProt.NONE || (isWrite && prot === UserProt.READ)) break
      at = Math.min((frame + 1) * PAGE_SIZE, end)
    }
    return at - addr
  }

  read(addr: number, target: Uint8Array): void {
    this.#memory.read(addr, target)
  }

  write(addr: number, source: Uint8Array): void {
    this.#memory.write(addr, source)
  }

  copy(targetAddr: number, sourceAddr: number, lengthBytes: number): void {
    this.#memory.copy(targetAddr, sourceAddr, lengthBytes)
  }

  regionAt(addr: number): ReturnType<PhysicalMemory['regionAt']> {
    return this.#memory.regionAt(addr)
  }
}

/** User memory, the only one that may fault. @see include/linux/uio.h user_backed_iter */
export function userBackedIter(iter: IovIter): boolean {
  return iter.iterType === IterType.UBUF || iter.iterType === IterType.IOVEC
}

export function addrOf(run: BioVec): number {
  return run.frame * PAGE_SIZE + run.offsetBytes
}

/**
 * How much of a run can be copied in one go: up to the end of its region, and for user memory up to the first fault.
 * Memory of the kernel's that is not there is left whole, so that the access itself throws.
 */
export function reachableBytes(
  memory: IterMemory,
  isUser: boolean,
  addr: number,
  lengthBytes: number,
  isWrite: boolean,
): number {
  const region = memory.regionAt(addr)
  if (region === null) return isUser ? 0 : lengthBytes
  const length = Math.min(lengthBytes, region.baseAddr + region.sizeBytes - addr)
  if (!isUser || memory.userAccess === undefined) return length
  return memory.userAccess(addr, length, isWrite)
}
