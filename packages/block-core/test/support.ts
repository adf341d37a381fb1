// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaSegmentTable } from '@iolayers/dma-mapping'
import {
  createKernel,
  createPrng,
  createVirtualScheduler,
  DeferredCall,
  type Kernel,
  type Prng,
  type Strategy,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { IovIter, ITER_DEST, ITER_SOURCE, Kiocb, type KiocbCompletion } from '@iolayers/uio'
import {
  Bio,
  type BioEndIo,
  type BlkMqHwCtx,
  type BlkMqOps,
  BlkStatus,
  blkMqEndRequest,
  blkMqRequeueRequest,
  blkMqStartRequest,
  blkRqActivateDmabuf,
  createDisk,
  createTagSet,
  type Disk,
  type DmabufIoMap,
  type Plug,
  type QueueLimits,
  type QueueLimitsInit,
  ReqFlags,
  type Request,
  type RqList,
  validateLimits,
} from '../src/index.ts'

export interface Machine {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
}

export function makeMachine(seed = 1): Machine {
  const scheduler = createVirtualScheduler({ seed })
  return { scheduler, kernel: createKernel({ scheduler }, { checked: true }) }
}

/** A machine whose choice points run other actors, nested, as other CPUs would. */
export function makeExploringMachine(seed: number): Machine {
  const random = createPrng(seed)
  const strategy: Strategy = {
    choose: (candidates) => random.below(candidates.length),
    chooseNested: (candidates) => random.below(candidates.length + 1) - 1,
  }
  const scheduler = createVirtualScheduler({ strategy })
  return { scheduler, kernel: createKernel({ scheduler }, { checked: true }) }
}

/** A map over one segment that counts its references and can be killed. */
export class FakeMap implements DmabufIoMap {
  readonly sizeBytes: number
  readonly granuleShift: number
  dead = false
  refs = 1
  active = 0
  activations = 0
  readonly segments: DmaSegmentTable

  constructor(sizeBytes: number, granuleShift: number) {
    this.sizeBytes = sizeBytes
    this.granuleShift = granuleShift
    this.segments = new DmaSegmentTable(Float64Array.of(0), Float64Array.of(0, sizeBytes))
  }

  get(): void {
    this.refs++
  }

  put(): void {
    this.refs--
  }

  tryGetActive(): DmaSegmentTable | null {
    if (this.dead) return null
    this.active++
    this.activations++
    return this.segments
  }

  putActive(): void {
    if (this.active === 0) throw new Error('active dropped more often than taken')
    this.active--
  }
}

/** Remembers how each bio ended. */
export class EndRecorder implements BioEndIo {
  readonly ended: Bio[] = []
  readonly statuses: number[] = []

  bioEndIo(bio: Bio): void {
    this.ended.push(bio)
    this.statuses.push(bio.biStatus)
  }
}

export class KiocbRecorder implements KiocbCompletion {
  readonly results: number[] = []

  kiComplete(_kiocb: Kiocb, result: number): void {
    this.results.push(result)
  }
}

export type Action = BlkStatus | 'inline' | 'requeue' | 'hold' | 'prepare-then-resource'

export interface Issued {
  readonly sector: number
  readonly bytes: number
  readonly offset: number
  readonly op: number
  readonly last: boolean
}

/**
 * A driver that does with each request what `decide` says: OK ends it later, `inline` at once, `hold` not before `release`,
 * `requeue` gives it back once it was started, another status is returned from `queueRq`.
 */
export class ScriptedDriver implements BlkMqOps<{ requeued: number }> {
  readonly issued: Issued[] = []
  readonly held: Request[] = []
  commits = 0
  batches: number[] = []
  decide: (rq: Request) => Action
  endStatus: (rq: Request) => BlkStatus = () => BlkStatus.OK
  readonly #kernel: Kernel
  readonly #pending: Request[] = []
  readonly #call: DeferredCall

  constructor(kernel: Kernel, decide: (rq: Request) => Action = () => BlkStatus.OK) {
    this.#kernel = kernel
    this.decide = decide
    this.#call = new DeferredCall('scripted completion', () => this.#completeOne())
  }

  initRequest(): { requeued: number } {
    return { requeued: 0 }
  }

  queueRq(_hctx: BlkMqHwCtx, rq: Request<{ requeued: number }>, last: boolean): BlkStatus {
    const action = this.decide(rq)
    if (typeof action === 'number' && action !== BlkStatus.OK) return action
    if (rq.dmabufMap !== null && (rq.cmdFlags & ReqFlags.DMABUF) !== 0) {
      const status = blkRqActivateDmabuf(rq)
      if (status !== BlkStatus.OK) return status
    }
    if (action === 'prepare-then-resource') return BlkStatus.RESOURCE
    this.issued.push({
      sector: rq.sector,
      bytes: rq.dataBytes,
      offset: rq.dmabufOffsetBytes,
      op: rq.cmdFlags,
      last,
    })
    blkMqStartRequest(rq)
    if (action === 'inline') blkMqEndRequest(rq, this.endStatus(rq))
    else if (action === 'requeue') {
      rq.pdu.requeued++
      this.issued.pop()
      blkMqRequeueRequest(rq, true)
    } else if (action === 'hold') this.held.push(rq)
    else {
      this.#pending.push(rq)
      this.#kernel.scheduler.queue(this.#call)
    }
    return BlkStatus.OK
  }

  commitRqs(): void {
    this.commits++
  }

  releaseHeld(): void {
    for (const rq of this.held.splice(0)) blkMqEndRequest(rq, this.endStatus(rq))
  }

  #completeOne(): void {
    const rq = this.#pending.shift()
    if (rq === undefined) return
    if (this.#pending.length > 0) this.#kernel.scheduler.queue(this.#call)
    blkMqEndRequest(rq, this.endStatus(rq))
  }
}

/** The same with `queueRqs`: takes every request that it would take one by one, except the first of each list if told so. */
export class BatchDriver extends ScriptedDriver {
  leaveFirst = false

  queueRqs(hctx: BlkMqHwCtx, list: RqList<{ requeued: number }>): void {
    const left: Request<{ requeued: number }>[] = []
    let count = 0
    for (let rq = list.pop(); rq !== null; rq = list.pop()) {
      if (this.leaveFirst && left.length === 0) left.push(rq)
      else if (this.queueRq(hctx, rq, false) !== BlkStatus.OK) left.push(rq)
      else count++
    }
    for (const rq of left) list.addTail(rq)
    this.batches.push(count)
  }
}

export interface DiskSetup {
  readonly limits?: QueueLimitsInit
  readonly queueDepth?: number
  readonly nrHwQueues?: number
  readonly capacitySectors?: number
  readonly readOnly?: boolean
  readonly noMerges?: boolean
}

export function makeDisk(kernel: Kernel, driver: ScriptedDriver, setup: DiskSetup = {}): Disk {
  const tagSet = createTagSet(
    { kernel },
    { ops: driver, nrHwQueues: setup.nrHwQueues ?? 1, queueDepth: setup.queueDepth ?? 8 },
  )
  return createDisk(
    { kernel, tagSet },
    {
      name: 'test0',
      capacitySectors: setup.capacitySectors ?? 1 << 21,
      limits: setup.limits ?? {},
      readOnly: setup.readOnly ?? false,
      noMerges: setup.noMerges ?? false,
    },
  )
}

export function dmabufBio(
  map: DmabufIoMap,
  init: { op: number; sector: number; offset: number; bytes: number },
  endIo: BioEndIo = new EndRecorder(),
): Bio {
  const bio = new Bio()
  bio.init(init.op | ReqFlags.DMABUF, init.sector, endIo)
  bio.biDmabufMap = map
  bio.biIter.biBvecDone = init.offset
  bio.biIter.biSize = init.bytes
  return bio
}

/** A bio over one run from frame 0x100 on. */
export function runBio(
  init: { op: number; sector: number; bytes: number },
  endIo: BioEndIo = new EndRecorder(),
): Bio {
  const bio = new Bio()
  bio.init(init.op, init.sector, endIo)
  bio.biIoVec = [{ frame: 0x100, offsetBytes: 0, lengthBytes: init.bytes }]
  bio.biVcnt = 1
  bio.biIter.biSize = init.bytes
  return bio
}

export function limitsOf(init: QueueLimitsInit = {}): QueueLimits {
  return validateLimits(init)
}

/** Ends the machine: everything is given back and nothing is left to run. */
export function tearDown(machine: Machine, disk: Disk): void {
  machine.scheduler.runSync('destroy', disk.destroy())
  machine.scheduler.runUntilIdle()
  if (disk.stats.inFlight !== 0) throw new Error('requests are still in flight')
  const left = machine.scheduler.outstanding()
  if (left.length > 0) throw new Error(`outstanding: ${left.join('; ')}`)
}

export function dmabufIter(
  map: DmabufIoMap,
  offset: number,
  bytes: number,
  write = false,
): IovIter<DmabufIoMap> {
  const iter = new IovIter<DmabufIoMap>()
  iter.initDmabufMap(write ? ITER_SOURCE : ITER_DEST, map, offset, bytes)
  return iter
}

export function newKiocb(recorder: KiocbRecorder): Kiocb<Plug> {
  return new Kiocb<Plug>(recorder)
}

export function prng(seed: number): Prng {
  return createPrng(seed)
}
