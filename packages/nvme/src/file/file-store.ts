// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A namespace in a file: readv and writev straight between the file and the pages of the I/O. With O_DIRECT, where the file system takes
// it, the kernel below does no copy either: a WebAssembly memory is page-aligned, so its bytes may be the target of a direct read.
//
// The file may end inside the last logical block: what is missing reads as zeros, and a write puts the whole block there, which the owner
// of the file cuts off again.

import { closeSync, constants, fdatasync, fstatSync, openSync, readv, write, writev } from 'node:fs'
import {
  assert,
  DeferredCall,
  errnoName,
  type Kernel,
  KernelError,
  type Op,
  WaitQueue,
} from '@iolayers/kernel'
import { type NamespaceStore, type StoreIo, StoreOp } from '../controller/index.ts'
import { STATUS_DNR, Status } from '../spec/index.ts'
import { HolePuncher } from './punch-hole.ts'
import { ViewCache } from './view-cache.ts'

export interface FileStoreInit {
  readonly path: string
  readonly readOnly?: boolean
  /** Ask for O_DIRECT; where the file system refuses, the page cache is used instead. Default false. */
  readonly direct?: boolean
  /** Bytes of the medium; by default the file's size, rounded up to whole logical blocks. */
  readonly sizeBytes?: number
  /** 512 by default, or 4096. */
  readonly logicalBlockBytes?: number
}

export interface FileStore extends NamespaceStore {
  /** Whether I/O goes to the file with O_DIRECT. */
  readonly direct: boolean
}

/** @see IOV_MAX of POSIX, UIO_MAXIOV of Linux */
const IOV_MAX = 1024

const VERBS: Readonly<Record<StoreOp, string>> = {
  [StoreOp.READ]: 'reading',
  [StoreOp.WRITE]: 'writing',
  [StoreOp.FLUSH]: 'syncing',
  [StoreOp.WRITE_ZEROES]: 'zeroing',
  [StoreOp.DEALLOCATE]: 'deallocating',
}

/** Zeros written at once, where no hole can be punched. */
const ZEROS_BYTES = 1 << 20
/** Write Zeroes of less is written as zeros: that is faster than the process that makes a hole. */
const HOLE_BYTES_MIN = 64 << 10

/** Opens the file. Throws what opening it throws, and EISDIR for a directory. The store owns the descriptor. */
export function createFileStore(
  components: { readonly kernel: Kernel },
  init: FileStoreInit,
): FileStore {
  return new Store(components.kernel, init)
}

class Store implements FileStore {
  readonly sizeBytes: number
  readonly #kernel: Kernel
  readonly #path: string
  readonly #readOnly: boolean
  /** Where the file ended when it was opened: reads may be short only past it. */
  readonly #endBytes: number
  readonly #transfers: Transfer[] = []
  readonly #idle: WaitQueue
  readonly views: ViewCache = new ViewCache()
  lastError: KernelError | null = null
  /** What I/O goes to: one of the two below, which are one where there is no O_DIRECT. */
  fd: number
  /** Without O_DIRECT. */
  readonly cachedFd: number
  readonly #directFd: number
  readonly holes: HolePuncher
  #zeros: Uint8Array | null = null
  #inFlight = 0

  constructor(kernel: Kernel, init: FileStoreInit) {
    this.#kernel = kernel
    this.#path = init.path
    this.#readOnly = init.readOnly ?? false
    this.#idle = new WaitQueue(kernel.scheduler, `I/O on ${init.path}`)
    const access = this.#readOnly ? constants.O_RDONLY : constants.O_RDWR
    this.cachedFd = openSync(init.path, access)
    const stat = fstatSync(this.cachedFd)
    if (stat.isDirectory()) {
      closeSync(this.cachedFd)
      throw new KernelError('EISDIR', `${init.path} is a directory`)
    }
    this.#directFd = init.direct === true ? openDirect(this.cachedFd, access) : this.cachedFd
    this.fd = this.#directFd
    this.#endBytes = stat.size
    this.holes = new HolePuncher(this.cachedFd)
    const blockBytes = init.logicalBlockBytes ?? 512
    this.sizeBytes = init.sizeBytes ?? Math.ceil(stat.size / blockBytes) * blockBytes
  }

  get direct(): boolean {
    return this.fd >= 0 && this.fd !== this.cachedFd
  }

  /** Deallocation only where it gives space back: a file that was written full of zeros for it would take more than before. */
  supports(op: StoreOp): boolean {
    return op !== StoreOp.DEALLOCATE || this.punches
  }

  get punches(): boolean {
    return !this.#readOnly && this.holes.able(Math.max(this.#endBytes, this.sizeBytes))
  }

  submit(io: StoreIo): void {
    assert(this.fd >= 0, 'I/O on a file store that was closed')
    if (this.#readOnly && io.op !== StoreOp.READ && io.op !== StoreOp.FLUSH) {
      this.lastError = new KernelError('EROFS', `${this.#path} was opened for reading only`)
      io.completion.storeDone(io, Status.NAMESPACE_WRITE_PROTECTED | STATUS_DNR)
      return
    }
    this.#inFlight++
    let transfer = this.#transfers[io.index]
    if (transfer === undefined) {
      transfer = new Transfer(this, this.#kernel)
      this.#transfers[io.index] = transfer
    }
    transfer.start(io)
  }

  *close(): Op<void> {
    yield* this.#idle.waitEvent(() => this.#inFlight === 0)
    if (this.fd < 0) return
    this.fd = -1
    closeSync(this.cachedFd)
    if (this.#directFd !== this.cachedFd) closeSync(this.#directFd)
    this.views.clear()
  }

  done(io: StoreIo, status: number): void {
    this.#inFlight--
    io.completion.storeDone(io, status)
    if (this.#inFlight === 0) this.#idle.wakeUpAll()
  }

  /** How many of the bytes from a position on the file had when it was opened. */
  expectedBytes(positionBytes: number, lengthBytes: number): number {
    return Math.max(0, Math.min(lengthBytes, this.#endBytes - positionBytes))
  }

  /** Remembers why, for messages, and gives the status that a host is told. */
  fail(io: StoreIo, error: NodeJS.ErrnoException): number {
    const code = errnoName(error.errno ?? 0) ?? 'EIO'
    const verb = VERBS[io.op]
    this.lastError = new KernelError(
      code,
      `${verb} ${this.#path} at offset ${io.offsetBytes}: ${code}`,
      { cause: error },
    )
    return statusOfErrno(code, io.op)
  }

  shrank(io: StoreIo, lengthBytes: number): number {
    const message = `${this.#path} shrank while it was read: it had ${this.#endBytes} bytes, now it ends at ${lengthBytes}`
    this.lastError = new KernelError('EIO', message)
    return statusOfErrno('EIO', io.op)
  }

  /** Made when somebody needs it. */
  zeros(): Uint8Array {
    this.#zeros ??= new Uint8Array(ZEROS_BYTES)
    return this.#zeros
  }

  /** The file system refused O_DIRECT for an I/O: from now on through the page cache. What is under way ends where it began. */
  giveUpDirect(): void {
    this.fd = this.cachedFd
  }
}

/** One I/O at the file: as many system calls as it takes. Made once for each of the controller's slots. */
class Transfer {
  readonly #store: Store
  readonly #kernel: Kernel
  readonly #completed: DeferredCall
  readonly #onDone: (error: NodeJS.ErrnoException | null, bytes: number) => void
  readonly #onSynced: (error: NodeJS.ErrnoException | null) => void
  readonly #batch: Uint8Array[] = []
  #io: StoreIo | null = null
  #error: NodeJS.ErrnoException | null = null
  #bytes = 0
  /** Next range, and the bytes of it that are done. */
  #range = 0
  #within = 0
  #doneBytes = 0
  #askedBytes = 0
  /** Issued on a descriptor with O_DIRECT. */
  #direct = false

  constructor(store: Store, kernel: Kernel) {
    this.#store = store
    this.#kernel = kernel
    this.#completed = new DeferredCall('file store', () => this.#onCompletion())
    this.#onDone = (error, bytes) => {
      this.#error = error
      this.#bytes = bytes
      this.#kernel.scheduler.external(this.#completed)
    }
    this.#onSynced = (error) => this.#onDone(error, 0)
  }

  start(io: StoreIo): void {
    assert(this.#io === null, 'a store slot was used twice at once')
    this.#io = io
    this.#range = 0
    this.#within = 0
    this.#doneBytes = 0
    if (io.op === StoreOp.FLUSH) {
      fdatasync(this.#store.fd, this.#onSynced)
      return
    }
    if (io.op === StoreOp.READ || io.op === StoreOp.WRITE) this.#issue(io)
    else if (this.#punches(io)) this.#punch(io)
    else this.#zero(io)
  }

  /** Zeros that are long enough to be worth a process do not fill a sparse file either. */
  #punches({ op, lengthBytes }: StoreIo): boolean {
    return (op === StoreOp.DEALLOCATE || lengthBytes >= HOLE_BYTES_MIN) && this.#store.punches
  }

  #punch({ offsetBytes, lengthBytes }: StoreIo): void {
    this.#store.holes.punch(offsetBytes, lengthBytes, (punched) => {
      // Else zeros are written.
      this.#onDone(null, punched ? lengthBytes : 0)
    })
  }

  /** Through the page cache: the memory of the zeros is not aligned for anything else. */
  #zero(io: StoreIo): void {
    const zeros = this.#store.zeros()
    const part = Math.min(zeros.length, io.lengthBytes - this.#doneBytes)
    const position = io.offsetBytes + this.#doneBytes
    write(this.#store.cachedFd, zeros, 0, part, position, this.#onDone)
  }

  #issue(io: StoreIo): void {
    if (!io.reachable) {
      this.#finish(io, Status.DATA_TRANSFER_ERROR)
      return
    }
    const batch = this.#batch
    batch.length = 0
    this.#askedBytes = 0
    let within = this.#within
    for (let i = this.#range; i < io.count && batch.length < IOV_MAX; i++) {
      const side = io.sides[i]
      assert(side !== undefined, 'a store I/O with a hole in its ranges')
      const length = (io.lengths[i] ?? 0) - within
      batch.push(this.#store.views.get(side, (io.offsets[i] ?? 0) + within, length))
      this.#askedBytes += length
      within = 0
    }
    const position = io.offsetBytes + this.#doneBytes
    this.#direct = this.#store.direct
    if (io.op === StoreOp.READ) readv(this.#store.fd, batch, position, this.#onDone)
    else writev(this.#store.fd, batch, position, this.#onDone)
  }

  #onCompletion(): void {
    const io = this.#io
    assert(io !== null, 'a file I/O ended twice')
    const error = this.#error
    if (error !== null) {
      // A refusal of O_DIRECT; the first I/O that meets it gives it up for all, and each one that was under way goes again.
      if (error.code === 'EINVAL' && this.#direct && io.op !== StoreOp.FLUSH) {
        this.#store.giveUpDirect()
        this.#issue(io)
        return
      }
      this.#finish(io, this.#store.fail(io, error))
      return
    }
    if (io.op === StoreOp.FLUSH) {
      this.#finish(io, Status.SUCCESS)
      return
    }
    if (io.op === StoreOp.WRITE_ZEROES || io.op === StoreOp.DEALLOCATE) {
      this.#doneBytes += this.#bytes
      if (this.#doneBytes < io.lengthBytes) this.#zero(io)
      else this.#finish(io, Status.SUCCESS)
      return
    }
    this.#advance(io, this.#bytes)
    if (this.#doneBytes === io.lengthBytes) this.#finish(io, Status.SUCCESS)
    else if (this.#bytes > 0 && this.#bytes === this.#askedBytes) this.#issue(io)
    else this.#onShort(io)
  }

  /** Fewer bytes than asked for: the end of the file, a full disk on its way, or a signal below. */
  #onShort(io: StoreIo): void {
    if (io.op === StoreOp.WRITE || this.#bytes > 0) {
      const atEnd =
        io.op === StoreOp.READ &&
        this.#doneBytes >= this.#store.expectedBytes(io.offsetBytes, io.lengthBytes)
      if (!atEnd && this.#bytes > 0) {
        this.#issue(io)
        return
      }
    }
    if (io.op === StoreOp.WRITE) {
      this.#finish(
        io,
        this.#store.fail(
          io,
          Object.assign(new Error('wrote nothing'), { errno: -28, code: 'ENOSPC' }),
        ),
      )
      return
    }
    if (this.#doneBytes < this.#store.expectedBytes(io.offsetBytes, io.lengthBytes)) {
      this.#finish(io, this.#store.shrank(io, io.offsetBytes + this.#doneBytes))
      return
    }
    if (!io.reachable) {
      this.#finish(io, Status.DATA_TRANSFER_ERROR)
      return
    }
    this.#zeroRest(io)
    this.#finish(io, Status.SUCCESS)
  }

  #advance(io: StoreIo, bytes: number): void {
    this.#doneBytes += bytes
    let left = bytes
    while (left > 0) {
      const length = (io.lengths[this.#range] ?? 0) - this.#within
      if (left < length) {
        this.#within += left
        return
      }
      left -= length
      this.#range++
      this.#within = 0
    }
  }

  #zeroRest(io: StoreIo): void {
    let within = this.#within
    for (let i = this.#range; i < io.count; i++) {
      const offset = io.offsets[i] ?? 0
      io.sides[i]?.bytes.fill(0, offset + within, offset + (io.lengths[i] ?? 0))
      within = 0
    }
  }

  #finish(io: StoreIo, status: number): void {
    this.#io = null
    this.#store.done(io, status)
  }
}

/**
 * A second descriptor of the same file, with O_DIRECT; the one that is given where that is not to be had. By the descriptor and not by
 * the name, which may mean another file by now.
 */
function openDirect(cachedFd: number, access: number): number {
  // Linux alone has the flag here, and it has /proc.
  const flag: number | undefined = constants.O_DIRECT
  if (flag === undefined) return cachedFd
  try {
    return openSync(`/proc/self/fd/${cachedFd}`, access | flag)
  } catch {
    return cachedFd
  }
}

/**
 * A full disk is what Linux's own target makes of it. Where that says Internal Error for all else, the media errors here tell a host
 * which way the bytes went. @see drivers/nvme/target/core.c errno_to_nvme_status
 */
function statusOfErrno(code: string, op: StoreOp): number {
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return Status.CAPACITY_EXCEEDED | STATUS_DNR
  }
  if (op === StoreOp.READ || op === StoreOp.FLUSH) return notWritten(op)
  return Status.WRITE_FAULT
}

function notWritten(op: StoreOp): number {
  return op === StoreOp.READ ? Status.UNRECOVERED_READ : Status.INTERNAL_ERROR
}
