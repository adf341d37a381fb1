// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, Errno, type Kernel, type Op } from '@iolayers/kernel'
import { IocbFlags, type IovIter, type Kiocb } from '@iolayers/uio'
import type { Bio } from '../bio/bio.ts'
import { bioSetFromIter } from '../bio/bio-build.ts'
import { BioSet } from '../bio/bio-set.ts'
import { BlkStatus, blkStatusToErrno } from '../blk-status.ts'
import type { Disk } from '../disk/disk.ts'
import type { DmabufIoMap } from '../dmabuf/contracts.ts'
import type { Plug } from '../mq/plug.ts'
import { ReqFlags, ReqOp, SECTOR_SIZE } from '../req-flags.ts'
import { type BlkdevDio, DioPool, QUEUED } from './blkdev-dio.ts'
import { dioBytes, dioOpf } from './dio-check.ts'

const FLUSH_OPF = ReqOp.WRITE | ReqFlags.PREFLUSH
const ONE_BIO_ONLY = IocbFlags.NOWAIT | IocbFlags.ATOMIC

/**
 * The direct I/O of one open block device file. Which way an I/O goes:
 *
 *   plain form                     one bio or nothing: what needs more would have to wait half way
 *   waiting form, one bio          the same, and it may wait for a tag or be split by the block layer
 *   waiting form, several bios     never polled, and refused where NOWAIT or ATOMIC allow one bio only
 *
 * Each of the waiting ones also waits for the end where the kiocb is synchronous.
 * @see block/fops.c __blkdev_direct_IO_async, __blkdev_direct_IO_simple, __blkdev_direct_IO
 */
export class DirectIo {
  readonly #disk: Disk
  readonly #dios: DioPool
  readonly #extraBios: BioSet

  constructor(kernel: Kernel, disk: Disk, maxIos: number) {
    this.#disk = disk
    this.#dios = new DioPool(kernel, disk.name, maxIos)
    this.#extraBios = new BioSet(kernel, `${disk.name} direct I/O`, maxIos)
  }

  /** The plain form: -EIOCBQUEUED, 0, or -errno with the iterator as it was. */
  start(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>, isWrite: boolean): number {
    assert(
      kiocb.completion !== null,
      'direct I/O: a synchronous kiocb in the form that never waits',
    )
    kiocb.fragmentsIssued = false
    const bytes = dioBytes(this.#disk, kiocb, iter, isWrite)
    if (bytes <= 0) return bytes
    const dio = this.#dios.tryGet(kiocb)
    if (dio === null) return -Errno.EAGAIN
    const asked = iter.countBytes
    iter.truncate(bytes)
    const taken = this.#build(dio.bio, dio, kiocb, iter, isWrite)
    iter.reexpand(asked - taken)
    const result = taken === bytes ? this.#submit(dio, kiocb) : refuse(dio, kiocb, taken)
    if (result !== QUEUED) iter.revert(taken)
    return result
  }

  /** The waiting form: -EIOCBQUEUED, for a synchronous kiocb the result, or -errno with the iterator as it was. */
  *startWait(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>, isWrite: boolean): Op<number> {
    kiocb.fragmentsIssued = false
    const bytes = dioBytes(this.#disk, kiocb, iter, isWrite)
    if (bytes <= 0) return bytes
    const dio = this.#dios.tryGet(kiocb) ?? (yield* this.#waitForDio(kiocb))
    if (dio === null) return -Errno.EAGAIN
    dio.plug.cpu = kiocb.plug?.cpu ?? 0
    const asked = iter.countBytes
    iter.truncate(bytes)
    const first = this.#build(dio.bio, dio, kiocb, iter, isWrite)
    if (first === 0 || (first < bytes && (kiocb.flags & ONE_BIO_ONLY) !== 0)) {
      iter.reexpand(asked - first)
      iter.revert(first)
      return refuse(dio, kiocb, first)
    }
    if (first < bytes) dio.bio.biOpf &= ~ReqFlags.POLLED
    yield* this.#submitAll(dio, first, kiocb, iter, isWrite)
    iter.reexpand(iter.countBytes + asked - bytes)
    if (kiocb.isSync) return yield* this.#waitForEnd(dio, kiocb, iter, asked, isWrite)
    dio.put()
    return QUEUED
  }

  /** Makes what was written before durable. @see block/fops.c blkdev_fsync */
  flush(kiocb: Kiocb<Plug>): number {
    assert(kiocb.completion !== null, 'flush: a synchronous kiocb in the form that never waits')
    if (!this.#disk.limits.writeCache) return 0
    const dio = this.#dios.tryGet(kiocb)
    if (dio === null) return -Errno.EAGAIN
    dio.bio.init(FLUSH_OPF, 0, dio)
    return this.#submit(dio, kiocb)
  }

  *flushWait(kiocb: Kiocb<Plug>): Op<number> {
    if (!this.#disk.limits.writeCache) return 0
    const dio = this.#dios.tryGet(kiocb) ?? (yield* this.#dios.get(kiocb))
    dio.bio.init(FLUSH_OPF, 0, dio)
    dio.addBio(0)
    yield* this.#disk.submitBioWait(dio.bio, null)
    if (kiocb.isSync) return yield* dio.putAndWait()
    dio.put()
    return QUEUED
  }

  #submit(dio: BlkdevDio, kiocb: Kiocb<Plug>): number {
    dio.addBio(dio.bio.biIter.biSize)
    const status = this.#disk.submitBio(dio.bio, kiocb.plug)
    if (status === BlkStatus.OK) {
      dio.put()
      return QUEUED
    }
    dio.abandon()
    return blkStatusToErrno(status)
  }

  *#waitForDio(kiocb: Kiocb<Plug>): Op<BlkdevDio | null> {
    if ((kiocb.flags & IocbFlags.NOWAIT) !== 0) return null
    return yield* this.#dios.get(kiocb)
  }

  *#submitAll(
    dio: BlkdevDio,
    firstBytes: number,
    kiocb: Kiocb<Plug>,
    iter: IovIter<DmabufIoMap>,
    isWrite: boolean,
  ): Op<void> {
    let bio = dio.bio
    let size = firstBytes
    let done = 0
    while (size > 0) {
      dio.addBio(size)
      yield* this.#disk.submitBioWait(bio, dio.plug)
      done += size
      if (iter.countBytes === 0) break
      bio = this.#extraBios.tryAlloc() ?? (yield* this.#allocBio(dio))
      size = this.#build(bio, dio, kiocb, iter, isWrite)
      bio.biIter.biSector = (kiocb.posBytes + done) / SECTOR_SIZE
      bio.biOpf &= ~ReqFlags.POLLED
      if (size > 0) continue
      // More runs than a bio has entries, and together less than a block: what went out before comes to nothing.
      this.#extraBios.put(bio)
      dio.fail(BlkStatus.INVAL)
    }
    dio.plug.finish()
  }

  *#allocBio(dio: BlkdevDio): Op<Bio> {
    dio.plug.finish()
    return yield* this.#extraBios.alloc()
  }

  /** @see block/fops.c blkdev_direct_write, include/linux/fs.h generic_write_sync */
  *#waitForEnd(
    dio: BlkdevDio,
    kiocb: Kiocb<Plug>,
    iter: IovIter<DmabufIoMap>,
    asked: number,
    isWrite: boolean,
  ): Op<number> {
    const result = yield* dio.putAndWait()
    if (result < 0) {
      iter.revert(asked - iter.countBytes)
      return result
    }
    if (!isWrite || (kiocb.flags & IocbFlags.DSYNC) === 0) return result
    const issued = kiocb.fragmentsIssued
    const error = yield* this.flushWait(kiocb)
    kiocb.fragmentsIssued = issued
    return error < 0 ? error : result
  }

  #build(
    bio: Bio,
    dio: BlkdevDio,
    kiocb: Kiocb<Plug>,
    iter: IovIter<DmabufIoMap>,
    isWrite: boolean,
  ): number {
    bio.init(dioOpf(kiocb, isWrite), kiocb.posBytes / SECTOR_SIZE, dio)
    bio.biIoprio = kiocb.ioprio
    return bioSetFromIter(bio, iter, iter.countBytes, this.#disk.limits.logicalBlockSizeBytes)
  }
}

/** Nothing was submitted: -EINVAL where not one block could be taken or it may not be several bios, else -EAGAIN. */
function refuse(dio: BlkdevDio, kiocb: Kiocb<Plug>, taken: number): number {
  dio.abandon()
  const isAtomic = (kiocb.flags & IocbFlags.ATOMIC) !== 0
  return taken === 0 || isAtomic ? -Errno.EINVAL : -Errno.EAGAIN
}
