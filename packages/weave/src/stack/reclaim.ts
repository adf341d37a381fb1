// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Memory that is short. Whoever allocates and may wait then frees some first: a shrinker takes pages of buffers away, and for that waits for the
// last DMA on them. Who may not wait gets none.

import { type DmabufFile, type DmabufToken, dmabufFile } from '@iolayers/block-core'
import { type DmaBuf, DmaResvUsage, MAX_SCHEDULE_TIMEOUT } from '@iolayers/dma-buf'
import {
  type Ability,
  assert,
  Errno,
  File,
  type FileOperations,
  type Op,
  yieldNow,
} from '@iolayers/kernel'

/**
 * An allocation that may wait: direct reclaim, which ends in the shrinker of a GPU driver.
 *
 * @see mm/vmscan.c shrink_slab; drivers/gpu/drm/ttm/ttm_bo.c
 */
export function* reclaim({ dmabuf }: { readonly dmabuf: DmaBuf }): Op<void> {
  yield* dmabuf.resv.waitTimeout(DmaResvUsage.BOOKKEEP, false, MAX_SCHEDULE_TIMEOUT)
}

type RwArgs = Parameters<DmabufFile['readIter']>
type TokenArgs = Parameters<DmabufFile['createDmabufToken']>

/** `file`, as a file system on it would be: every I/O needs some memory first, which reclaim takes from `victim`. Takes the reference over. */
export function shortOfMemory(file: File, victim: { readonly dmabuf: DmaBuf }): File {
  const below = file.query(dmabufFile)
  assert(below !== undefined, 'a file that knows no buffers')
  return new File(file.kernel, new ShortOfMemory(file, below, victim), {
    name: file.name,
    flags: file.flags,
  })
}

class ShortOfMemory implements DmabufFile, FileOperations {
  readonly #file: File
  readonly #below: DmabufFile
  readonly #victim: { readonly dmabuf: DmaBuf }

  constructor(file: File, below: DmabufFile, victim: { readonly dmabuf: DmaBuf }) {
    this.#file = file
    this.#below = below
    this.#victim = victim
  }

  query<T>(ability: Ability<T>): T | undefined {
    return ability.answer(dmabufFile, this)
  }

  release(): void {
    this.#file.put()
  }

  readIter(): number {
    return -Errno.EAGAIN
  }

  writeIter(): number {
    return -Errno.EAGAIN
  }

  *readIterWait(...io: RwArgs): Op<number> {
    yield* this.#allocate()
    return yield* this.#below.readIterWait(...io)
  }

  *writeIterWait(...io: RwArgs): Op<number> {
    yield* this.#allocate()
    return yield* this.#below.writeIterWait(...io)
  }

  fsync(): number {
    return -Errno.EAGAIN
  }

  *fsyncWait(kiocb: RwArgs[0]): Op<number> {
    return yield* this.#below.fsyncWait(kiocb)
  }

  createDmabufToken(...registration: TokenArgs): Op<DmabufToken> {
    return this.#below.createDmabufToken(...registration)
  }

  /** Looking for pages takes time, in which others run. */
  *#allocate(): Op<void> {
    yield* yieldNow(this.#file.kernel.scheduler)
    yield* reclaim(this.#victim)
  }
}
