// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import type { DmaDirection } from '@iolayers/dma-mapping'
import {
  type Ability,
  Errno,
  File,
  type FileOperations,
  type Kernel,
  KernelError,
  type Op,
  OpenFlags,
} from '@iolayers/kernel'
import { IocbFlags, type IovIter, type Kiocb } from '@iolayers/uio'
import type { Bio } from '../bio/bio.ts'
import { bioSetFromIter } from '../bio/bio-build.ts'
import { BioSet } from '../bio/bio-set.ts'
import { BlkStatus, blkStatusToErrno } from '../blk-status.ts'
import type { Disk } from '../disk/disk.ts'
import type { DmabufIoMap, DmabufToken } from '../dmabuf/contracts.ts'
import { type DmabufFile, dmabufFile } from '../dmabuf/dmabuf-file.ts'
import type { Plug } from '../mq/plug.ts'
import { ReqFlags, ReqOp, SECTOR_SIZE } from '../req-flags.ts'
import { type BlkdevDio, DioPool, QUEUED } from './blkdev-dio.ts'
import { dioBytes, dioOpf } from './dio-check.ts'

export interface BlockDeviceFileInit {
  /** OpenFlags; O_DIRECT has to be among them. */
  readonly flags: number
  /** Direct I/Os that can be in flight at once; default: as many as the disk has requests. */
  readonly maxIos?: number
}

/** @see block/fops.c def_blk_fops */
class BlockDeviceFile implements DmabufFile, FileOperations {
  readonly #disk: Disk
  readonly #readable: boolean
  readonly #writable: boolean
  readonly #dios: DioPool
  readonly #extraBios: BioSet

  constructor(kernel: Kernel, disk: Disk, flags: number, maxIos: number) {
    const mode = flags & OpenFlags.O_ACCMODE
    this.#disk = disk
    this.#readable = mode !== OpenFlags.O_WRONLY
    this.#writable = mode !== OpenFlags.O_RDONLY
    this.#dios = new DioPool(kernel, disk.name, maxIos)
    this.#extraBios = new BioSet(kernel, `${disk.name} direct I/O`, maxIos)
  }

  query<T>(ability: Ability<T>): T | undefined {
    return ability.answer(dmabufFile, this)
  }

  release(): void {}

  readIter(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): number {
    return this.#readable ? this.#dio(kiocb, iter, false) : -Errno.EBADF
  }

  writeIter(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): number {
    return this.#writable ? this.#dio(kiocb, iter, true) : -Errno.EBADF
  }

  *readIterWait(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): Op<number> {
    return this.#readable ? yield* this.#dioWait(kiocb, iter, false) : -Errno.EBADF
  }

  *writeIterWait(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): Op<number> {
    return this.#writable ? yield* this.#dioWait(kiocb, iter, true) : -Errno.EBADF
  }

  fsync(kiocb: Kiocb<Plug>): number {
    if (!this.#disk.limits.writeCache) return 0
    const dio = this.#dios.tryGet(kiocb)
    if (dio === null) return -Errno.EAGAIN
    dio.bio.init(FLUSH_OPF, 0, dio)
    return this.#submit(dio, kiocb)
  }

  *fsyncWait(kiocb: Kiocb<Plug>): Op<number> {
    if (!this.#disk.limits.writeCache) return 0
    const dio = this.#dios.tryGet(kiocb) ?? (yield* this.#dios.get(kiocb))
    dio.bio.init(FLUSH_OPF, 0, dio)
    dio.addBio(0)
    yield* this.#disk.submitBioWait(dio.bio, null)
    dio.put()
    return QUEUED
  }

  createDmabufToken(dmabuf: DmaBuf, direction: DmaDirection): Op<DmabufToken> {
    const { dmabuf: registrar, name } = this.#disk
    if (registrar === null) {
      throw new KernelError('EOPNOTSUPP', `${name}: this disk takes no registered dma-bufs`)
    }
    return registrar.createDmabufToken(dmabuf, direction)
  }

  /** One bio or nothing: what needs more would have to wait half way. */
  #dio(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>, isWrite: boolean): number {
    kiocb.fragmentsIssued = false
    const bytes = dioBytes(this.#disk, kiocb, iter, isWrite)
    if (bytes <= 0) return bytes
    const dio = this.#dios.tryGet(kiocb)
    if (dio === null) return -Errno.EAGAIN
    const asked = iter.countBytes
    iter.truncate(bytes)
    const taken = this.#build(dio.bio, dio, kiocb, iter, isWrite)
    iter.reexpand(asked - taken)
    const result = taken === bytes ? this.#submit(dio, kiocb) : this.#giveUp(dio, taken)
    if (result !== QUEUED) iter.revert(taken)
    return result
  }

  #giveUp(dio: BlkdevDio, taken: number): number {
    dio.abandon()
    return taken === 0 ? -Errno.EINVAL : -Errno.EAGAIN
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

  *#dioWait(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>, isWrite: boolean): Op<number> {
    kiocb.fragmentsIssued = false
    const bytes = dioBytes(this.#disk, kiocb, iter, isWrite)
    if (bytes <= 0) return bytes
    const dio = this.#dios.tryGet(kiocb) ?? (yield* this.#dios.get(kiocb))
    dio.plug.cpu = kiocb.plug?.cpu ?? 0
    const asked = iter.countBytes
    iter.truncate(bytes)
    const first = this.#build(dio.bio, dio, kiocb, iter, isWrite)
    const mayNotWait = (kiocb.flags & (IocbFlags.NOWAIT | IocbFlags.ATOMIC)) !== 0
    if (first === 0 || (first < bytes && mayNotWait)) {
      iter.revert(first)
      iter.reexpand(asked)
      const refusal = this.#giveUp(dio, first)
      return (kiocb.flags & IocbFlags.ATOMIC) !== 0 ? -Errno.EINVAL : refusal
    }
    yield* this.#submitAll(dio, first, kiocb, iter, isWrite)
    iter.reexpand(asked - bytes)
    dio.put()
    return QUEUED
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
      if (size > 0) continue
      // More runs than a bio has entries, and together less than a block.
      this.#extraBios.put(bio)
      dio.fail(BlkStatus.INVAL)
    }
    dio.plug.finish()
  }

  *#allocBio(dio: BlkdevDio): Op<Bio> {
    dio.plug.finish()
    return yield* this.#extraBios.alloc()
  }

  #build(
    bio: Bio,
    dio: BlkdevDio,
    kiocb: Kiocb<Plug>,
    iter: IovIter<DmabufIoMap>,
    isWrite: boolean,
  ): number {
    bio.init(dioOpf(kiocb, isWrite), kiocb.posBytes / SECTOR_SIZE, dio)
    return bioSetFromIter(bio, iter, iter.countBytes, this.#disk.limits.logicalBlockSizeBytes)
  }
}

const FLUSH_OPF = ReqOp.WRITE | ReqFlags.PREFLUSH

/**
 * Opens a disk for direct I/O. The file answers `dmabufFile`. Throws KernelError EINVAL without O_DIRECT: there is no page
 * cache. Should the flag be cleared later, every I/O is refused with -EINVAL.
 */
export function createBlockDeviceFile(
  components: { kernel: Kernel; disk: Disk },
  init: BlockDeviceFileInit,
): File {
  const { kernel, disk } = components
  if ((init.flags & OpenFlags.O_DIRECT) === 0) {
    const octal = `0${init.flags.toString(8)}`
    throw new KernelError('EINVAL', `${disk.name}: open flags are ${octal}, O_DIRECT is missing`)
  }
  const ops = new BlockDeviceFile(kernel, disk, init.flags, init.maxIos ?? disk.nrRequests)
  return new File(kernel, ops, { name: disk.name, flags: init.flags })
}
