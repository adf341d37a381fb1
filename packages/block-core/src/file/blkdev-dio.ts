// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  assert,
  assertOnce,
  Completion,
  Errno,
  type Kernel,
  type Op,
  WaitQueue,
} from '@iolayers/kernel'
import type { Kiocb } from '@iolayers/uio'
import { Bio, type BioEndIo } from '../bio/bio.ts'
import { BioFlag, bioFlagged } from '../bio/bio-flags.ts'
import { BlkStatus, blkStatusToErrno } from '../blk-status.ts'
import { Plug } from '../mq/plug.ts'

/** Returned by an operation that goes on without its caller. */
export const QUEUED: number = -Errno.EIOCBQUEUED

/**
 * One direct I/O: a kiocb, its bios, and what they came to. It ends when its last bio has, and when its submitter
 * is done with it. Then an asynchronous kiocb is completed, and whoever waits for a synchronous one is woken.
 * @see block/fops.c struct blkdev_dio
 */
export class BlkdevDio implements BioEndIo {
  /** The first bio; an I/O that needs more takes them from the file's set. */
  readonly bio: Bio
  /** For submissions that may sleep. */
  readonly plug: Plug
  readonly #pool: DioPool
  readonly #done: Completion
  #kiocb: Kiocb | null
  #sizeBytes: number
  #references: number
  #status: BlkStatus
  #issued: boolean

  constructor(pool: DioPool, done: Completion) {
    this.bio = new Bio()
    this.plug = new Plug()
    this.#pool = pool
    this.#done = done
    this.#kiocb = null
    this.#sizeBytes = 0
    this.#references = 0
    this.#status = BlkStatus.OK
    this.#issued = false
  }

  /** The submitter holds one reference. */
  init(kiocb: Kiocb): void {
    assert(this.#kiocb === null, 'dio: in use')
    this.#kiocb = kiocb
    this.#sizeBytes = 0
    this.#references = 1
    this.#status = BlkStatus.OK
    this.#issued = false
  }

  /** A bio of so many bytes is about to be submitted. */
  addBio(sizeBytes: number): void {
    this.#sizeBytes += sizeBytes
    this.#references++
  }

  /** The first error is the one that stays. */
  fail(status: BlkStatus): void {
    if (this.#status === BlkStatus.OK) this.#status = status
  }

  /** Nothing was submitted: it goes back unused, and the kiocb is not completed. */
  abandon(): void {
    this.#kiocb = null
    this.#pool.put(this)
  }

  bioEndIo(bio: Bio): void {
    if (bio.biStatus !== BlkStatus.OK) this.fail(bio.biStatus)
    if (bioFlagged(bio, BioFlag.ISSUED)) this.#issued = true
    bio.biDmabufMap = null
    bio.biPool?.put(bio)
    this.put()
  }

  put(): void {
    this.#references--
    if (this.#references > 0) return
    const kiocb = this.#kiocb
    assertOnce(kiocb !== null, 'dio: ended twice')
    const { completion } = kiocb
    if (completion === null) {
      this.#done.complete()
      return
    }
    const result = this.#end(kiocb)
    completion.kiComplete(kiocb, result)
  }

  /** For a synchronous kiocb, instead of the submitter's `put`: its result. */
  *putAndWait(): Op<number> {
    const kiocb = this.#kiocb
    assert(kiocb !== null, 'dio: not in use')
    this.put()
    yield* this.#done.wait()
    return this.#end(kiocb)
  }

  #end(kiocb: Kiocb): number {
    const result = this.#status === BlkStatus.OK ? this.#sizeBytes : blkStatusToErrno(this.#status)
    kiocb.fragmentsIssued = this.#issued
    if (result > 0) kiocb.posBytes += result
    this.#kiocb = null
    this.#pool.put(this)
    return result
  }
}

/** The direct I/Os that a file can have in flight, all made with it. */
export class DioPool {
  readonly #free: BlkdevDio[]
  readonly #wait: WaitQueue
  readonly #size: number
  #freeCount: number

  constructor(kernel: Kernel, name: string, size: number) {
    this.#free = []
    for (let i = 0; i < size; i++) {
      const done = new Completion(kernel.scheduler, `${name} direct I/O`)
      this.#free.push(new BlkdevDio(this, done))
    }
    this.#wait = new WaitQueue(kernel.scheduler, `${name} direct I/O pool`)
    this.#size = size
    this.#freeCount = size
  }

  tryGet(kiocb: Kiocb): BlkdevDio | null {
    if (this.#freeCount === 0) return null
    this.#freeCount--
    const dio = this.#free[this.#freeCount]
    assert(dio !== undefined, 'dio pool: hole in the free list')
    dio.init(kiocb)
    return dio
  }

  *get(kiocb: Kiocb): Op<BlkdevDio> {
    for (;;) {
      const dio = this.tryGet(kiocb)
      if (dio !== null) return dio
      yield* this.#wait.waitEvent(() => this.#freeCount > 0)
    }
  }

  put(dio: BlkdevDio): void {
    assertOnce(this.#freeCount < this.#size, 'dio pool: put twice')
    this.#free[this.#freeCount] = dio
    this.#freeCount++
    this.#wait.wakeUp()
  }
}
