// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Completion, KernelError, type Op, type Task } from '@iolayers/kernel'
import {
  type Bio,
  BlkStatus,
  bioRoot,
  blkAbortRequest,
  blkStatusText,
  createNullBlk,
  type Disk,
  type DiskStats,
  HctxType,
  MqRqState,
  type NullBlk,
  NullIrqMode,
  Plug,
  ReqFlags,
  ReqOp,
  type Request,
  SECTOR_SIZE,
} from '../src/index.ts'
import { BioBuffers, BUFFER_BYTES } from './blk-mq-buffers.ts'
import { RigInjectors } from './blk-mq-injectors.ts'
import { type IoFate, type IoInit, TrackedIo } from './blk-mq-io.ts'
import { makeBoundedMachine } from './blk-mq-machine.ts'
import { SectorModel } from './blk-mq-sectors.ts'
import type { Machine } from './support.ts'

const SECTORS = 256
const PAGE_SIZE = 4096
const COMPLETION_NS = 10_000

export interface RigInit {
  readonly seed: number
  readonly irqMode: NullIrqMode
  readonly hwQueueDepth: number
  readonly submitQueues: number
  readonly pollQueues: number
  readonly sharedTagBitmap: boolean
  readonly maxSectors: number
  readonly blockSizeBytes: number
  readonly cachePages: number
  readonly fua: boolean
  readonly virtBoundary: boolean
  readonly timeoutNs: number
  readonly badblocksPartialIo: boolean
}

/** A device under commands, with what is known of it. Each step is followed by `check`. */
export class BlkMqRig implements IoFate {
  readonly machine: Machine
  readonly device: NullBlk
  readonly plugs: readonly Plug[]
  readonly faults: RigInjectors
  readonly init: RigInit
  removed = false
  quiesced = 0
  readonly #disk: Disk
  readonly #buffers: BioBuffers
  readonly #sectors: SectorModel
  readonly #ios: TrackedIo[]
  readonly #byBio: Map<Bio, TrackedIo>
  readonly #submitters: Task<void>[]
  readonly #freezers: Completion[]
  #rqMerges: number
  #controls: number

  constructor(init: RigInit, exploring: boolean) {
    this.init = init
    this.machine = makeBoundedMachine(init.seed, exploring)
    this.faults = new RigInjectors(
      init.seed,
      () => this.#offered(),
      (rq, hangs) => this.#taken(rq, hangs),
    )
    this.#buffers = new BioBuffers(init.virtBoundary)
    this.#sectors = new SectorModel(SECTORS)
    this.#ios = []
    this.#byBio = new Map()
    this.#submitters = []
    this.#freezers = []
    this.#rqMerges = 0
    this.#controls = 0
    this.machine.kernel.tracer.subscribe(
      (name) => name === 'block_rq_merge',
      () => {
        this.#rqMerges++
      },
    )
    this.device = createNullBlk(
      { kernel: this.machine.kernel, memory: this.#buffers },
      {
        ...init,
        name: 'nullb0',
        nrCpus: 4,
        sizeBytes: SECTORS * SECTOR_SIZE,
        cacheSizeBytes: init.cachePages * PAGE_SIZE,
        memoryBacked: true,
        discard: true,
        ...this.faults.init,
      },
    )
    this.#disk = this.device.disk
    this.plugs = [0, 1].map((cpu) => new Plug({ cpu, maxRequests: 6 }))
  }

  get isSlow(): boolean {
    return this.init.irqMode === NullIrqMode.TIMER && this.init.timeoutNs <= COMPLETION_NS
  }

  get timeoutNs(): number {
    return this.init.timeoutNs
  }

  nowNs(): number {
    return this.machine.scheduler.nowNs()
  }

  get stats(): DiskStats {
    return this.#disk.stats
  }

  badSectors(start: number, count: number): number[] {
    const { badblocks } = this.device
    const sectors = Array.from({ length: count }, (_, i) => start + i)
    return sectors.filter((sector) => badblocks.check(sector, 1) !== null)
  }

  setBad(setting: string): void {
    this.device.badblocks.store(setting)
    for (const io of this.#ios) if (!io.ended) io.updateBad()
  }

  /** The plain form: what it does not accept was not handed over. */
  submitNow(init: IoInit, plug: Plug | null): void {
    const io = this.#make(init)
    if (io === null) return
    const status = this.#disk.submitBio(io.bio, plug)
    if (status === BlkStatus.OK) return
    if (io.ended) throw new Error('a bio that was refused ended')
    if (status === BlkStatus.AGAIN) this.#checkAgain(io)
    else this.#checkStatus(io, status)
    io.ended = true
    if (init.op === ReqOp.READ) this.#sectors.endRead(io.sector, null, io.sectors)
    else this.#sectors.cancelWrite(io.sector, io.sectors)
  }

  /** The form that waits, as a task. */
  submitWait(init: IoInit, plugged: boolean, cpu: number): void {
    const io = this.#make(init)
    if (io === null) return
    const plug = plugged || cpu > 0 ? new Plug({ cpu }) : null
    const { scheduler } = this.machine
    const task = scheduler.spawn('submitter', this.#submit(io, plug))
    this.#submitters.push(task)
    if ((io.bio.biOpf & ReqFlags.NOWAIT) === 0) return
    scheduler.runReady()
    if (task.outcome === null) throw new Error('a NOWAIT bio waits')
  }

  /** What takes its time; it ends well, or the device is gone. */
  control(name: string, op: Op<unknown>): void {
    this.#controls++
    this.machine.scheduler.spawn(name, this.#control(op))
  }

  /** Frozen until `unfreeze`, from when the task that does it comes so far. */
  freeze(): void {
    const thaw = new Completion(this.machine.scheduler, 'thaw')
    this.#freezers.push(thaw)
    this.control('freeze', this.#freeze(thaw))
  }

  unfreeze(): void {
    this.#freezers.pop()?.complete()
  }

  quiesce(): void {
    this.quiesced++
    this.#disk.queue.quiesce()
  }

  unquiesce(): void {
    if (this.quiesced === 0) return
    this.quiesced--
    this.#disk.queue.unquiesce()
  }

  remove(): void {
    if (this.removed) return
    this.removed = true
    this.#disk.markDead()
    this.control('power off', this.device.powerOff())
    this.machine.scheduler.runReady()
    if (this.#submitters.some((task) => task.outcome === null)) {
      throw new Error('a submitter waits for a device that is gone')
    }
  }

  cancelHung(): void {
    for (const io of this.#ios) if (io.hung && !io.ended) io.cancelled = true
    this.device.cancelHung(BlkStatus.IOERR)
  }

  /** The time of every request that the driver has is over. */
  abort(): void {
    this.#disk.queue.tagSet?.busyIter((rq) => {
      for (let bio = rq.bio; bio !== null; bio = bio.biNext) {
        const root = bioRoot(bio)
        for (const io of this.#ios) if (io.bio === root) io.aborted = true
      }
      blkAbortRequest(rq)
    })
  }

  poll(): void {
    this.#disk.queue.poll()
  }

  onEnd(io: TrackedIo, status: BlkStatus): void {
    this.#checkStatus(io, status)
    const op = io.bio.biOpf & 0xff
    const isOk = status === BlkStatus.OK
    if (isOk) io.onOk()
    if (op === ReqOp.READ) {
      const values = isOk ? this.#buffers.valuesOf(io.bio) : null
      this.#sectors.endRead(io.sector, values, io.sectors)
      return
    }
    const isDurable = this.init.cachePages === 0 || (io.bio.biOpf & ReqFlags.FUA) !== 0
    const well = isDurable ? 'durable' : 'ok'
    this.#sectors.endWrite(io.sector, io.sectors, io.value, isOk ? well : 'failed')
  }

  /** What has to hold at any time. */
  check(): void {
    const { tagSet } = this.#disk.queue
    if (tagSet === null) throw new Error('no tag set')
    let inFlight = 0
    let inUse = 0
    for (const tags of new Set(tagSet.tagMaps)) {
      const taken = tags.requests.filter((rq) => rq.mqHctx !== null)
      inFlight += tags.requests.filter((rq) => rq.state !== MqRqState.IDLE).length
      inUse += taken.length
      const below = taken.filter((rq) => rq.tag < tags.depth).length
      if (tags.free + below !== tags.depth) {
        throw new Error(`${tags.free} tags free, ${below} in use, of ${tags.depth}`)
      }
      const active = tags.users.reduce((sum, user) => sum + user.active, 0)
      if (active !== taken.length) throw new Error(`${taken.length} tags, ${active} active`)
    }
    const { stats } = this.#disk
    const accounted = stats.inFlightReads + stats.inFlightWrites
    if (accounted !== inUse) throw new Error(`${accounted} submitted, ${inUse} in use`)
    if (stats.inFlight !== inFlight)
      throw new Error(`${stats.inFlight} in flight, ${inFlight} seen`)
    if (stats.completions > stats.requests) throw new Error('more completions than requests')
    if (stats.requeues > this.faults.refusals) throw new Error('requeues of nobody')
  }

  /** No more faults: everything ends soon, and nothing is left. Then the power goes and comes, and what is durable is there. */
  finish(): void {
    const { scheduler } = this.machine
    this.faults.stop()
    for (const plug of this.plugs) plug.finish()
    while (this.quiesced > 0) this.unquiesce()
    while (this.#freezers.length > 0) this.unfreeze()
    this.#drain(4)
    this.machine.scheduler.advance(2 * this.init.timeoutNs)
    this.#drain(4)
    const late = this.#ios.filter((io) => !io.ended)
    if (late.length > 0 || this.#controls > 0) this.#stalled(late)
    this.check()
    this.remove()
    scheduler.runReady()
    this.#checkNothingLeft()
    const { stats } = this.#disk
    if (stats.inFlight !== 0 || stats.completions !== stats.requests - this.#rqMerges) {
      throw new Error(`${stats.requests} requests, of them ${stats.completions} ended`)
    }
    const { read, write, discard } = stats
    if (read.ios + write.ios + discard.ios !== stats.completions) throw new Error('I/Os')
    if (stats.busyNs > this.nowNs()) throw new Error('busy for longer than there was time')
    this.#checkDurable()
    scheduler.runSync('destroy', this.device.destroy())
    this.#checkNothingLeft()
  }

  #checkNothingLeft(): void {
    const left = this.machine.scheduler.outstanding()
    if (left.length > 0) throw new Error(`left: ${left.join('; ')}`)
  }

  /** Until nothing has ended for some rounds. */
  #drain(idleRounds: number): void {
    let completions = -1
    for (let left = idleRounds; left > 0; left--) {
      if (completions !== this.stats.completions) left = idleRounds
      completions = this.stats.completions
      this.machine.scheduler.advance(4_000_000)
      this.poll()
    }
  }

  #stalled(late: readonly TrackedIo[]): never {
    const left = this.machine.scheduler.outstanding()
    throw new Error(`stalled: ${late.join(', ')}; ${left.join('; ')}`)
  }

  #checkDurable(): void {
    this.setBad(`-0-${SECTORS}`)
    this.#sectors.forgetVolatile()
    this.device.powerOn()
    this.removed = false
    const step = 16
    for (let sector = 0; sector < SECTORS; sector += step) {
      const init = { op: ReqOp.READ, flags: 0, sector, blocks: 0, runSectors: 64 }
      const io = this.#track(init, step, 0)
      this.#sectors.begin(sector, step, false)
      this.machine.scheduler.runSync('read', this.device.disk.submitBioWait(io.bio, null))
      this.machine.scheduler.runUntilIdle()
      if (!io.ended) throw new Error('a read after the power came did not end')
    }
  }

  #make(init: IoInit): TrackedIo | null {
    const blockSectors = this.init.blockSizeBytes / SECTOR_SIZE
    const isWrite = init.op !== ReqOp.READ
    const sectors = Math.min(init.blocks * blockSectors, BUFFER_BYTES / SECTOR_SIZE)
    const sector = this.#sectors.place(init.sector, sectors, isWrite, blockSectors)
    if (sector < 0) return null
    const value = init.op === ReqOp.WRITE ? 1 + (this.#ios.length % 0xe0) : 0
    const io = this.#track({ ...init, sector }, sectors, value)
    if ((init.flags & ReqFlags.PREFLUSH) !== 0) io.onOk = this.#sectors.flush()
    this.#sectors.begin(sector, sectors, isWrite)
    return io
  }

  #track(init: IoInit, sectors: number, value: number): TrackedIo {
    const io = new TrackedIo(this, init, sectors, value)
    this.#buffers.give(io.bio, this.#ios.length, sectors, value, init.runSectors)
    this.#ios.push(io)
    this.#byBio.set(io.bio, io)
    return io
  }

  *#submit(io: TrackedIo, plug: Plug | null): Op<void> {
    yield* this.#disk.submitBioWait(io.bio, plug)
    plug?.finish()
  }

  *#control(op: Op<unknown>): Op<void> {
    try {
      yield* op
    } catch (error) {
      if (!(error instanceof KernelError && this.removed)) throw error
    }
    this.#controls--
  }

  *#freeze(thaw: Completion): Op<void> {
    const { queue, stats } = this.#disk
    yield* queue.freeze()
    if (stats.inFlight > 0) throw new Error('frozen with requests')
    yield* thaw.wait()
    if (stats.inFlight > 0) throw new Error('requests while frozen')
    queue.unfreeze()
  }

  #checkStatus(io: TrackedIo, status: BlkStatus): void {
    const wrong = io.wrongStatus(status)
    if (wrong === null) return
    throw new Error(`${io} ended with ${blkStatusText(status)}: ${wrong}`)
  }

  /** Plain submission may say so for want of a tag, for a split, or while the queue is frozen. */
  #checkAgain(io: TrackedIo): void {
    const { tagSet } = this.#disk.queue
    const isFull = tagSet?.tagMaps.some((tags) => tags.free === 0) ?? false
    if (isFull || this.#controls > 0) return
    if (io.sectors > this.init.maxSectors || this.init.virtBoundary) return
    throw new Error('AGAIN for no reason')
  }

  #offered(): void {
    if (this.quiesced > 0) throw new Error('offered to the driver while quiesced')
  }

  #taken(rq: Request | null, mayHang: boolean): void {
    const ios: TrackedIo[] = []
    for (let bio = rq?.bio ?? null; bio !== null; bio = bio.biNext) {
      const io = this.#byBio.get(bioRoot(bio))
      if (io !== undefined) ios.push(io)
    }
    const isPolled = rq?.mqHctx?.type === HctxType.POLL
    const hangs = mayHang && !isPolled
    for (const io of ios) io.taken(hangs, hangs || isPolled, ios)
  }
}
