// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Plug } from '@iolayers/block-core'
import {
  Errno,
  type FdTable,
  type Kernel,
  KernelError,
  type Op,
  type Tracepoint,
} from '@iolayers/kernel'
import { Attempts } from './attempts.ts'
import { newCancelData } from './cancel-data.ts'
import { Canceller } from './canceller.ts'
import type { IoUring, IoUringStats, SyncCancelInit } from './contracts.ts'
import { CqWaiter } from './cq-waiter.ts'
import type { IoReq } from './io-req.ts'
import type { OpCtx, UserMemoryAccess } from './op-ctx.ts'
import type { BufferRegistration } from './registration.ts'
import { RingCtx } from './ring-ctx.ts'
import { type CloneBuffersInit, type FileEntry, RsrcTables } from './rsrc-tables.ts'
import { prepFixedFast } from './rw.ts'
import { SqePrep } from './sqe-prep.ts'
import { Submitter } from './submitter.ts'
import { syncCancel } from './sync-cancel.ts'
import { Timeouts } from './timeouts.ts'
import { IoUringOp, SQE_BYTES, SqeFlags, SqeOffset } from './uapi.ts'
import { SetupFlags } from './uapi-flags.ts'

/** READ_FIXED and WRITE_FIXED, whose lowest bit is all in which they differ, of a registered file, without a flag or priority. */
const FAST = (SqeFlags.FIXED_FILE << 8) | IoUringOp.READ_FIXED
const POSITION_HIGH_BITS = 21

export interface RingInit {
  readonly setup: number
  readonly sqEntries: number
  readonly cqEntries: number
  readonly workers: number
}

export interface RingComponents {
  readonly kernel: Kernel
  readonly fds?: FdTable
  readonly memory?: UserMemoryAccess
  readonly parts?: RingParts
}

/** What a ring is made of, where it is not to be ours. See the entry `parts`. */
export interface RingParts {
  readonly attempts?: typeof Attempts
}

/** The ring: takes entries, and joins the parts that do the rest. */
export class IoUringService extends SqePrep implements IoUring {
  readonly cqEntries: number
  readonly #ctx: RingCtx
  readonly #plug: Plug
  readonly #attempts: Attempts
  readonly #submitter: Submitter
  readonly #tables: RsrcTables
  readonly #timeouts: Timeouts
  readonly #ops: OpCtx
  readonly #waiter: CqWaiter
  readonly #runsWorkAfterSubmit: boolean
  readonly #tpSubmit: Tracepoint
  #closed = false

  constructor(components: RingComponents, init: RingInit) {
    super(init.sqEntries)
    const { kernel, fds = null, memory = null, parts = {} } = components
    this.cqEntries = init.cqEntries
    const ctx = new RingCtx(kernel, init.setup, init.cqEntries)
    this.#ctx = ctx
    this.#plug = new Plug()
    const attempts = new (parts.attempts ?? Attempts)(ctx, this.#plug, init.workers)
    this.#attempts = attempts
    this.#submitter = new Submitter(ctx, attempts)
    this.#waiter = new CqWaiter(ctx, attempts.polled)
    this.#tables = new RsrcTables(ctx, fds, () => this.#waiter.pump())
    const timeouts = new Timeouts(ctx)
    this.#timeouts = timeouts
    const canceller = new Canceller(ctx, attempts.wq, timeouts)
    this.#ops = { ring: ctx, tables: this.#tables, fds, memory, timeouts, canceller }
    attempts.attach(this.#ops)
    ctx.attach(
      {
        start: (req) => attempts.start(req),
        timeoutFired: (req) => timeouts.fire(req, canceller),
        disarmLinked: (req) => timeouts.disarmLinked(req),
        flushTimeouts: () => timeouts.flush(),
      },
      attempts,
    )
    this.#runsWorkAfterSubmit = (init.setup & SetupFlags.DEFER_TASKRUN) === 0
    this.#tpSubmit = kernel.tracer.point('io_uring:io_uring_submit_req', [
      'user_data',
      'opcode',
      'off',
      'addr',
      'len',
    ])
  }

  get stats(): IoUringStats {
    return this.#ctx.stats
  }

  get cqes(): DataView {
    return this.#ctx.cq.cqes
  }

  get cqReady(): number {
    return this.#ctx.cq.ready
  }

  get cqOverflowed(): boolean {
    return this.#ctx.cq.overflowed
  }

  get sqFlags(): number {
    return this.#ctx.sqFlags
  }

  get inflight(): number {
    return this.#ctx.inflight
  }

  submit(): number {
    const ctx = this.#ctx
    if (ctx.closing) return -Errno.EBADF
    if (this.sqHead === this.sqTail) return 0
    if (!this.#waiter.mayEnter()) return -Errno.EEXIST
    ctx.inOwner = true
    const taken = this.#takeEntries()
    if (ctx.linkHead !== null) this.#submitter.finish()
    this.#plug.finish()
    ctx.inOwner = false
    if (ctx.hasTaskWork && this.#runsWorkAfterSubmit) ctx.runTaskWork()
    if (taken === 0) return -Errno.EAGAIN
    ctx.stats.submitted += taken
    ctx.stats.submitCalls += 1
    return taken
  }

  *submitAndWait(count: number, timeoutNs?: number): Op<number> {
    const submitted = this.submit()
    if (submitted < 0) return submitted
    const ready = yield* this.waitCqes(count, timeoutNs)
    return ready < 0 && submitted === 0 ? ready : submitted
  }

  waitCqes(count: number, timeoutNs: number = Number.POSITIVE_INFINITY): Op<number> {
    return this.#waiter.wait(count, timeoutNs)
  }

  reap(
    userData: Float64Array | Int32Array,
    results: Int32Array,
    max: number,
    flags: Int32Array | null = null,
  ): number {
    let most = Math.min(max, userData.length, results.length)
    if (flags !== null) most = Math.min(most, flags.length)
    return this.#ctx.cq.reap(userData, results, most, flags)
  }

  registerFiles(files: readonly FileEntry[], tags: readonly number[] = []): void {
    this.#tables.registerFiles(files, tags)
  }

  updateFiles(
    offset: number,
    files: readonly FileEntry[],
    tags: readonly number[] = [],
  ): Op<number> {
    return this.#tables.updateFiles(offset, files, tags)
  }

  unregisterFiles(): Op<void> {
    return this.#tables.unregisterFiles()
  }

  registerBuffers(
    registrations: readonly (BufferRegistration | null)[],
    tags: readonly number[] = [],
  ): Op<void> {
    return this.#tables.registerBuffers(registrations, tags)
  }

  updateBuffers(
    offset: number,
    registrations: readonly (BufferRegistration | null)[],
    tags: readonly number[] = [],
  ): Op<number> {
    return this.#tables.updateBuffers(offset, registrations, tags)
  }

  *updateBuffer(index: number, registration: BufferRegistration | null): Op<void> {
    yield* this.#tables.updateBuffers(index, [registration], [])
  }

  unregisterBuffers(): Op<void> {
    return this.#tables.unregisterBuffers()
  }

  *cloneBuffers(source: IoUring, init: CloneBuffersInit = {}): Op<void> {
    if (!(source instanceof IoUringService)) {
      throw new KernelError('EBADF', 'clone of buffers: the source is no ring')
    }
    yield* this.#tables.cloneBuffers(source.#tables, init)
  }

  registerIowqMaxWorkers(count: number): number {
    const { wq } = this.#attempts
    const before = wq.limit
    if (count !== 0) wq.setLimit(count)
    return before
  }

  *syncCancel(init: SyncCancelInit): Op<number> {
    return yield* syncCancel(this.#ops, newCancelData(), init)
  }

  *close(): Op<void> {
    const ctx = this.#ctx
    ctx.closing = true
    this.sqHead = this.sqTail
    const { wq } = this.#attempts
    for (let req = wq.take(); req !== null; req = wq.take()) ctx.end(req, -Errno.ECANCELED)
    this.#timeouts.killAll()
    for (let req = ctx.drain.take(); req !== null; req = ctx.drain.take()) {
      ctx.end(req, -Errno.ECANCELED)
    }
    wq.interrupt()
    yield* this.#tables.close(() => this.#finishClose())
  }

  *#finishClose(): Op<void> {
    if (this.#closed) return
    yield* this.#waiter.waitIdle()
    yield* this.#attempts.wq.stop()
    this.#closed = true
    this.#waiter.closed = true
    this.#ctx.cqWait.wakeUpAll()
  }

  #takeEntries(): number {
    const ctx = this.#ctx
    const submitAll = (ctx.setup & SetupFlags.SUBMIT_ALL) !== 0
    let taken = 0
    let busy = this.#submitter.busy
    while (this.sqHead !== this.sqTail) {
      const req = ctx.takeReq()
      if (req === null) break
      const { sqes } = this
      const at = (this.sqHead & (this.sqEntries - 1)) * SQE_BYTES
      this.sqHead = (this.sqHead + 1) | 0
      taken += 1
      const first = sqes.getInt32(at, true)
      req.opcode = first & 0xff
      req.userDataLow = sqes.getInt32(at + SqeOffset.USER_DATA, true)
      req.userDataHigh = sqes.getInt32(at + SqeOffset.USER_DATA + 4, true)
      const positionHigh = sqes.getInt32(at + SqeOffset.OFF + 4, true)
      if ((first & ~1) === FAST && positionHigh >>> POSITION_HIGH_BITS === 0 && !busy) {
        this.#submitFast(req, at)
        continue
      }
      const goesOn = this.#submitter.submit(req, sqes, at)
      if (this.#tpSubmit.enabled) this.#traceSubmit(req)
      if (!goesOn && !submitAll) break
      busy = this.#submitter.busy
    }
    return taken
  }

  #submitFast(req: IoReq, at: number): void {
    const error = prepFixedFast(req, this.sqes, at, this.#tables.files, this.#tables.buffers)
    if (this.#tpSubmit.enabled) this.#traceSubmit(req)
    if (error !== 0) this.#ctx.finish(req, error)
    else this.#attempts.issueFixed(req)
  }

  #traceSubmit(req: IoReq): void {
    this.#tpSubmit.emit(req.userData, req.opcode, req.posBytes, req.bufOffsetBytes, req.lengthBytes)
  }
}
