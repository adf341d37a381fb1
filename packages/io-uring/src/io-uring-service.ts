// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Plug } from '@iolayers/block-core'
import {
  assert,
  Errno,
  type File,
  type Kernel,
  KernelError,
  Mutex,
  type Op,
  type Tracepoint,
  WaitQueue,
} from '@iolayers/kernel'
import { IocbFlags } from '@iolayers/uio'
import { CompletionQueue } from './completion-queue.ts'
import type { IoUring, IoUringStats } from './contracts.ts'
import { IoReq, type IoReqOwner } from './io-req.ts'
import { IoWq } from './io-wq.ts'
import { prepReq } from './prep.ts'
import {
  type BufferRegistration,
  checkCount,
  MAX_FIXED_FILES,
  MAX_REG_BUFFERS,
  makeBufferNode,
  makeBufferNodes,
  makeFileNode,
  retireAll,
} from './registration.ts'
import type { BufferNode, FileNode } from './rsrc-node.ts'
import { armIter, armKiocb } from './rw.ts'
import { SubmissionQueue } from './submission-queue.ts'
import { IoUringOp, RwFlags, SQE_BYTES, SqeFlags, SqeOffset } from './uapi.ts'

/** Fresh imports of a map that died before anything of the I/O went out; then ESTALE. */
export const MAX_STALE_IMPORTS = 8
const NEVER = 0x7fff_ffff

/**
 * The ring: takes entries, tries each in the form that never sleeps, and hands to a worker what would have to.
 *
 * An I/O on a registered dma-buf imports the buffer's map once and holds it until it ends. When the map dies before anything of
 * the I/O was handed to a driver, it is dropped and imported afresh, at most MAX_STALE_IMPORTS times; after that, and once
 * a fragment has gone out, ESTALE is the end: only the issuer knows whether the range may be sent again.
 */
export class IoUringService extends SubmissionQueue implements IoUring, IoReqOwner {
  readonly cqEntries: number
  readonly #kernel: Kernel
  readonly #cq: CompletionQueue
  readonly #plug: Plug
  readonly #wq: IoWq
  readonly #registrationLock: Mutex
  readonly #cqWait: WaitQueue
  readonly #idleWait: WaitQueue
  readonly #tpSubmit: Tracepoint
  readonly #tpAsync: Tracepoint
  readonly #tpComplete: Tracepoint
  readonly #stats = {
    submitted: 0,
    completed: 0,
    submitCalls: 0,
    asyncWork: 0,
    staleImports: 0,
    cqOverflows: 0,
  }
  #files: readonly FileNode[] = []
  #buffers: (BufferNode | null)[] = []
  #freeReqs: IoReq | null = null
  #reqsMade = 0
  #inflight = 0
  /** Fewest ready completions for which a waiter has to be woken. */
  #wakeAt = NEVER
  #closing = false
  #closed = false

  constructor(kernel: Kernel, sqEntries: number, cqEntries: number, workers: number) {
    super(sqEntries)
    this.cqEntries = cqEntries
    this.#kernel = kernel
    this.#cq = new CompletionQueue(cqEntries)
    this.#plug = new Plug()
    this.#wq = new IoWq(kernel, workers, (req) => this.#work(req))
    this.#registrationLock = new Mutex(kernel.scheduler, 'io_uring registration')
    this.#cqWait = new WaitQueue(kernel.scheduler, 'io_uring completions')
    this.#idleWait = new WaitQueue(kernel.scheduler, 'io_uring idle')
    const { tracer } = kernel
    this.#tpSubmit = tracer.point('io_uring:io_uring_submit_req', [
      'user_data',
      'opcode',
      'off',
      'addr',
      'len',
    ])
    this.#tpAsync = tracer.point('io_uring:io_uring_queue_async_work', ['user_data', 'opcode'])
    this.#tpComplete = tracer.point('io_uring:io_uring_complete', ['user_data', 'res'])
  }

  get stats(): IoUringStats {
    return this.#stats
  }

  get cqes(): DataView {
    return this.#cq.cqes
  }

  get cqReady(): number {
    return this.#cq.ready
  }

  get cqOverflowed(): boolean {
    return this.#cq.overflowed
  }

  get inflight(): number {
    return this.#inflight
  }

  submit(): number {
    if (this.#closing) return -Errno.EBADF
    if (this.sqHead === this.sqTail) return 0
    let taken = 0
    while (this.sqHead !== this.sqTail) {
      const req = this.#takeReq()
      if (req === null) break
      const at = (this.sqHead & (this.sqEntries - 1)) * SQE_BYTES
      this.sqHead = (this.sqHead + 1) | 0
      taken += 1
      this.#submitSqe(req, at)
    }
    if (taken === 0) return -Errno.EAGAIN
    this.#plug.finish()
    this.#stats.submitted += taken
    this.#stats.submitCalls += 1
    return taken
  }

  *submitAndWait(count: number): Op<number> {
    const submitted = this.submit()
    if (submitted < 0) return submitted
    const ready = yield* this.waitCqes(count)
    return ready < 0 ? ready : submitted
  }

  *waitCqes(count: number): Op<number> {
    const wanted = Math.min(count, this.cqEntries)
    if (this.#cq.ready < wanted) {
      const error = yield* this.#cqWait.waitEventInterruptible(() => {
        if (this.#cq.ready >= wanted || this.#closed) return true
        if (wanted < this.#wakeAt) this.#wakeAt = wanted
        return false
      })
      if (error !== 0) return -Errno.EINTR
    }
    return this.#cq.ready
  }

  reap(userData: Float64Array | Int32Array, results: Int32Array, max: number): number {
    return this.#cq.reap(userData, results, Math.min(max, userData.length, results.length))
  }

  registerFiles(files: readonly File[]): void {
    this.#checkOpen()
    checkCount('registered files', files.length, MAX_FIXED_FILES)
    if (this.#files.length > 0) throw new KernelError('EBUSY', 'files are registered already')
    this.#files = files.map((file) => makeFileNode(this.#kernel, file))
  }

  *unregisterFiles(): Op<void> {
    if (this.#files.length === 0) throw new KernelError('ENXIO', 'no files are registered')
    const files = this.#files
    this.#files = []
    yield* retireAll(files)
  }

  *registerBuffers(registrations: readonly (BufferRegistration | null)[]): Op<void> {
    yield* this.#registrationLock.lock()
    try {
      this.#checkOpen()
      checkCount('registered buffers', registrations.length, MAX_REG_BUFFERS)
      if (this.#buffers.length > 0) throw new KernelError('EBUSY', 'buffers are registered already')
      this.#buffers = yield* makeBufferNodes(this.#kernel, this.#files, registrations)
    } finally {
      this.#registrationLock.unlock()
    }
  }

  *updateBuffer(index: number, registration: BufferRegistration | null): Op<void> {
    yield* this.#registrationLock.lock()
    try {
      this.#checkOpen()
      const old = this.#buffers[index]
      if (old === undefined) {
        throw new KernelError(
          this.#buffers.length === 0 ? 'ENXIO' : 'EINVAL',
          `buffer ${index} is not in the table of ${this.#buffers.length}`,
        )
      }
      this.#buffers[index] =
        registration === null
          ? null
          : yield* makeBufferNode(this.#kernel, this.#files, registration)
      if (old !== null) yield* old.retire()
    } finally {
      this.#registrationLock.unlock()
    }
  }

  *unregisterBuffers(): Op<void> {
    yield* this.#registrationLock.lock()
    try {
      if (this.#buffers.length === 0) throw new KernelError('ENXIO', 'no buffers are registered')
      yield* this.#retireBuffers()
    } finally {
      this.#registrationLock.unlock()
    }
  }

  *close(): Op<void> {
    this.#closing = true
    this.sqHead = this.sqTail
    for (let req = this.#wq.take(); req !== null; req = this.#wq.take()) {
      this.#finish(req, -Errno.ECANCELED)
    }
    this.#wq.interrupt()
    yield* this.#registrationLock.lock()
    try {
      if (this.#closed) return
      yield* this.#idleWait.waitEvent(() => this.#inflight === 0)
      yield* this.#wq.stop()
      yield* this.#retireBuffers()
      yield* retireAll(this.#files)
      this.#files = []
      this.#closed = true
      this.#cqWait.wakeUpAll()
    } finally {
      this.#registrationLock.unlock()
    }
  }

  /** Atomic: an attempt has ended, inside the call that made it or later. */
  reqComplete(req: IoReq, result: number): void {
    if (result >= 0) {
      this.#finish(req, result)
      return
    }
    const nowait = (req.rwFlags & RwFlags.NOWAIT) !== 0
    if (req.kiocb.fragmentsIssued) this.#finish(req, result)
    else if (result === -Errno.ESTALE) this.#reimport(req, nowait)
    else if (result === -Errno.EAGAIN && !nowait && !req.waited) this.#queueWork(req)
    else this.#finish(req, result)
  }

  /** Nothing of the I/O has gone out, and its map is dead. */
  #reimport(req: IoReq, nowait: boolean): void {
    req.dropMap()
    if (nowait) {
      this.#finish(req, -Errno.EAGAIN)
      return
    }
    if (req.staleImports === MAX_STALE_IMPORTS) {
      this.#finish(req, -Errno.ESTALE)
      return
    }
    req.staleImports += 1
    this.#stats.staleImports += 1
    this.#queueWork(req)
  }

  #submitSqe(req: IoReq, at: number): void {
    const error = prepReq(req, this.sqes, at, this.#files, this.#buffers)
    if (this.#tpSubmit.enabled) {
      this.#tpSubmit.emit(
        userDataOf(req),
        req.opcode,
        req.posBytes,
        req.bufOffsetBytes,
        req.lengthBytes,
      )
    }
    if (error !== 0) this.#finish(req, error)
    else if (req.opcode === IoUringOp.NOP) this.#finish(req, 0)
    else if ((this.sqes.getUint8(at + SqeOffset.FLAGS) & SqeFlags.ASYNC) !== 0) {
      this.#queueWork(req)
    } else this.#issue(req)
  }

  /** The attempt that does not sleep. */
  #issue(req: IoReq): void {
    const { ops, kiocb, iter, buffer } = req
    assert(ops !== null, 'io_uring: a request without a file')
    if (buffer !== null && buffer.token !== null) {
      req.map = buffer.token.tryGetMap()
      if (req.map === null) {
        this.reqComplete(req, -Errno.EAGAIN)
        return
      }
    }
    armKiocb(req, IocbFlags.NOWAIT)
    kiocb.plug = this.#plug
    if (this.#kernel.scheduler.exploring) this.#kernel.scheduler.choicePoint('io_uring issue')
    let result: number
    if (buffer === null) result = ops.fsync(kiocb)
    else {
      armIter(req, buffer, req.map)
      if (req.opcode === IoUringOp.READ_FIXED) result = ops.readIter(kiocb, iter)
      else result = ops.writeIter(kiocb, iter)
    }
    // A request that was queued may be over, and another one, by now.
    if (result !== -Errno.EIOCBQUEUED) this.reqComplete(req, result)
  }

  /** A worker's attempt, which may sleep. */
  *#work(req: IoReq): Op<void> {
    req.waited = true
    let result: number
    try {
      result = yield* this.#issueWait(req)
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      result = error.errno
    }
    if (result !== -Errno.EIOCBQUEUED) this.reqComplete(req, result)
  }

  *#issueWait(req: IoReq): Op<number> {
    const { ops, kiocb, iter, buffer } = req
    assert(ops !== null, 'io_uring: a request without a file')
    armKiocb(req, 0)
    if (buffer === null) return yield* ops.fsyncWait(kiocb)
    if (buffer.token !== null) {
      if (req.map?.dead === true) req.dropMap()
      req.map ??= yield* buffer.token.getMap()
    }
    armIter(req, buffer, req.map)
    if (req.opcode === IoUringOp.READ_FIXED) return yield* ops.readIterWait(kiocb, iter)
    return yield* ops.writeIterWait(kiocb, iter)
  }

  #queueWork(req: IoReq): void {
    this.#stats.asyncWork += 1
    if (this.#tpAsync.enabled) this.#tpAsync.emit(userDataOf(req), req.opcode)
    this.#wq.queue(req)
  }

  /** The one end of a request: drops what it holds, posts its completion, frees it. */
  #finish(req: IoReq, result: number): void {
    req.dropMap()
    req.buffer?.put()
    req.buffer = null
    req.file?.put()
    req.file = null
    req.ops = null
    const res = result === -Errno.ERESTARTSYS ? -Errno.EINTR : result
    if (this.#tpComplete.enabled) this.#tpComplete.emit(userDataOf(req), res)
    if (!this.#cq.post(req.userDataLow, req.userDataHigh, res)) this.#stats.cqOverflows += 1
    this.#stats.completed += 1
    req.next = this.#freeReqs
    this.#freeReqs = req
    this.#inflight -= 1
    if (this.#cq.ready >= this.#wakeAt) {
      this.#wakeAt = NEVER
      this.#cqWait.wakeUpAll()
    }
    if (this.#closing && this.#inflight === 0) this.#idleWait.wakeUpAll()
  }

  #takeReq(): IoReq | null {
    let req = this.#freeReqs
    if (req === null) {
      if (this.#reqsMade === this.cqEntries) return null
      this.#reqsMade += 1
      req = new IoReq(this)
    } else this.#freeReqs = req.next
    req.next = null
    req.rwFlags = 0
    req.staleImports = 0
    req.waited = false
    req.kiocb.fragmentsIssued = false
    this.#inflight += 1
    return req
  }

  *#retireBuffers(): Op<void> {
    const buffers = this.#buffers
    this.#buffers = []
    yield* retireAll(buffers)
  }

  #checkOpen(): void {
    if (this.#closing) throw new KernelError('EBADF', 'the ring is closed')
  }
}

function userDataOf(req: IoReq): number {
  return (req.userDataLow >>> 0) + (req.userDataHigh >>> 0) * 0x1_0000_0000
}
