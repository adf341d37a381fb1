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
import type { IovIter, Kiocb } from '@iolayers/uio'
import type { Disk } from '../disk/disk.ts'
import type { DmabufIoMap, DmabufToken, DmabufTokenOptions } from '../dmabuf/contracts.ts'
import { type DmabufFile, dmabufFile } from '../dmabuf/dmabuf-file.ts'
import type { Plug } from '../mq/plug.ts'
import { SECTOR_SIZE } from '../req-flags.ts'
import { BlkdevControls, blkdevControl } from './blkdev-control.ts'
import { DirectIo } from './direct-io.ts'

export interface BlockDeviceFileInit {
  /** OpenFlags; O_DIRECT has to be among them. With O_EXCL the file has the disk to itself, among those who ask for that. */
  readonly flags: number
  /** Direct I/Os that can be in flight at once; default: as many as the disk has requests. */
  readonly maxIos?: number
  /**
   * A page of zeroes that nobody writes, the caller's: what is written to zero a disk that cannot do so by itself. Left out, such a disk
   * answers EOPNOTSUPP.
   */
  readonly zeroFrame?: number
}

const SEEK_SET = 0
const SEEK_CUR = 1
const SEEK_END = 2

/** @see block/fops.c def_blk_fops */
class BlockDeviceFile implements DmabufFile, FileOperations {
  readonly #disk: Disk
  readonly #readable: boolean
  readonly #writable: boolean
  readonly #exclusive: boolean
  readonly #dio: DirectIo
  readonly #control: BlkdevControls

  constructor(kernel: Kernel, disk: Disk, init: BlockDeviceFileInit) {
    const mode = init.flags & OpenFlags.O_ACCMODE
    const { zeroFrame } = init
    this.#disk = disk
    this.#readable = mode !== OpenFlags.O_WRONLY
    this.#writable = mode !== OpenFlags.O_RDONLY
    this.#exclusive = (init.flags & OpenFlags.O_EXCL) !== 0
    if (this.#exclusive) disk.claim.claim(this)
    this.#dio = new DirectIo(kernel, disk, init.maxIos ?? disk.nrRequests)
    const components = zeroFrame === undefined ? { kernel, disk } : { kernel, disk, zeroFrame }
    this.#control = new BlkdevControls(components, this.#writable)
  }

  query<T>(ability: Ability<T>): T | undefined {
    return ability.answer(dmabufFile, this) ?? ability.answer(blkdevControl, this.#control)
  }

  release(): void {
    if (this.#exclusive) this.#disk.claim.release(this)
  }

  /** -EINVAL outside the disk; its very end is inside. @see block/fops.c blkdev_llseek */
  llseek(file: File, offsetBytes: number, whence: number): number {
    const size = this.#disk.capacitySectors * SECTOR_SIZE
    const base = seekBase(file, size, whence)
    const target = base + offsetBytes
    if (base < 0 || target < 0 || target > size) return -Errno.EINVAL
    file.posBytes = target
    return target
  }

  readIter(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): number {
    return this.#readable ? this.#dio.start(kiocb, iter, false) : -Errno.EBADF
  }

  writeIter(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): number {
    return this.#writable ? this.#dio.start(kiocb, iter, true) : -Errno.EBADF
  }

  *readIterWait(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): Op<number> {
    return this.#readable ? yield* this.#dio.startWait(kiocb, iter, false) : -Errno.EBADF
  }

  *writeIterWait(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): Op<number> {
    return this.#writable ? yield* this.#dio.startWait(kiocb, iter, true) : -Errno.EBADF
  }

  fsync(kiocb: Kiocb<Plug>): number {
    return this.#dio.flush(kiocb)
  }

  fsyncWait(kiocb: Kiocb<Plug>): Op<number> {
    return this.#dio.flushWait(kiocb)
  }

  ioPoll(): number {
    return this.#disk.queue.poll()
  }

  createDmabufToken(
    dmabuf: DmaBuf,
    direction: DmaDirection,
    options?: DmabufTokenOptions,
  ): Op<DmabufToken> {
    const { dmabuf: registrar, name } = this.#disk
    if (registrar === null) {
      throw new KernelError('EOPNOTSUPP', `${name}: this disk takes no registered dma-bufs`)
    }
    return registrar.createDmabufToken(dmabuf, direction, options)
  }
}

function seekBase(file: File, sizeBytes: number, whence: number): number {
  switch (whence) {
    case SEEK_SET:
      return 0
    case SEEK_CUR:
      return file.posBytes
    case SEEK_END:
      return sizeBytes
    default:
      return -1
  }
}

/**
 * Opens a disk for direct I/O. The file answers `dmabufFile` and `blkdevControl`. Throws KernelError EINVAL without O_DIRECT: there is
 * no page cache; EBUSY with O_EXCL where another has the disk. Should the flag be cleared later, every I/O is refused with -EINVAL.
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
  const ops = new BlockDeviceFile(kernel, disk, init)
  return new File(kernel, ops, { name: disk.name, flags: init.flags })
}
