// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  Completion,
  createKernel,
  createPrng,
  createVirtualScheduler,
  KernelError,
  type Op,
  seededStrategy,
  type Task,
} from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'
import {
  Bio,
  type BioEndIo,
  BlkStatus,
  bioRoot,
  blkStatusText,
  type CpuMemory,
  createFaultAttr,
  createNullBlk,
  type Disk,
  type DiskStats,
  type FaultAttr,
  HctxType,
  MqRqState,
  type NullBlk,
  type NullIrqMode,
  Plug,
  ReqFlags,
  ReqOp,
  type Request,
  SECTOR_SIZE,
} from '../src/index.ts'
import { SectorModel } from './blk-mq-sectors.ts'
import type { Machine } from './support.ts'

const SECTORS = 256
const BUFFER_BYTES = 32 * 1024
const PAGE_SIZE = 4096

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
}

export interface IoInit {
  readonly op: ReqOp
  readonly flags: number
  readonly sector: number
  readonly blocks: number
  /** Where it is cut into runs of memory, in sectors of 512. */
  readonly runSectors: number
}

/** One bio, what may become of it, and what became of it. */
class TrackedIo implements BioEndIo {
  readonly bio: Bio
  readonly sector: number
  readonly sectors: number
  readonly value: number
  readonly afterRemoval: boolean
  /** Sectors of it that were bad all the time. */
  badAlways: ReadonlySet<number>
  badEver: boolean
  /** Others that were merged with it: the end of one is the end of all. */
  readonly companions: TrackedIo[]
  hung: boolean
  cancelled: boolean
  ended: boolean
  onOk: () => void
  readonly #rig: BlkMqRig

  constructor(rig: BlkMqRig, io: IoInit, sector: number, sectors: number, value: number) {
    this.bio = new Bio()
    this.bio.init(io.op | io.flags, sector, this)
    this.sector = sector
    this.sectors = sectors
    this.value = value
    this.afterRemoval = rig.removed
    this.badAlways = new Set(rig.badSectors(sector, sectors))
    this.badEver = this.badAlways.size > 0
    this.companions = []
    this.hung = false
    this.cancelled = false
    this.ended = false
    this.onOk = () => {}
    this.#rig = rig
  }

  bioEndIo(bio: Bio): void {
    if (this.ended) throw new Error('a bio ended twice')
    this.ended = true
    this.#rig.onEnd(this, bio.biStatus)
  }

  updateBad(rig: BlkMqRig): void {
    const bad = rig.badSectors(this.sector, this.sectors)
    this.badEver ||= bad.length > 0
    this.badAlways = new Set(bad.filter((sector) => this.badAlways.has(sector)))
  }
}

/** A device under commands, with what is known of it. Each step is followed by `check`. */
export class BlkMqRig {
  readonly machine: Machine
  readonly device: NullBlk
  readonly plugs: readonly Plug[]
  readonly requeues: FaultAttr
  readonly busy: FaultAttr
  readonly timeouts: FaultAttr
  readonly resets: FaultAttr
  readonly init: RigInit
  /** Times that a request was offered to the driver. */
  offers = 0
  injectedRequeues = 0
  removed = false
  quiesced = 0
  readonly #disk: Disk
  /** One for each bio. */
  readonly #buffers: Uint8Array[]
  readonly #sectors: SectorModel
  readonly #ios: TrackedIo[]
  readonly #byBio: Map<Bio, TrackedIo>
  readonly #submitters: Task<void>[]
  readonly #freezers: Completion[]
  #rqMerges: number
  #controls: number
  #hang: boolean

  constructor(init: RigInit, exploring: boolean) {
    this.init = init
    this.machine = makeMachine(init.seed, exploring)
    this.requeues = createFaultAttr({ seed: init.seed, times: 0, probability: 100 })
    this.busy = createFaultAttr({ seed: init.seed, times: 0, probability: 100 })
    this.timeouts = createFaultAttr({ seed: init.seed, times: 0, probability: 100 })
    this.resets = createFaultAttr({ seed: init.seed, times: 0, probability: 100 })
    this.#buffers = []
    this.#sectors = new SectorModel(SECTORS)
    this.#ios = []
    this.#byBio = new Map()
    this.#submitters = []
    this.#freezers = []
    this.#rqMerges = 0
    this.#controls = 0
    this.#hang = false
    this.machine.kernel.tracer.subscribe(
      (name) => name === 'block_rq_merge',
      () => {
        this.#rqMerges++
      },
    )
    this.device = createNullBlk(
      { kernel: this.machine.kernel, memory: this.#cpuMemory() },
      {
        ...init,
        name: 'nullb0',
        nrCpus: 4,
        sizeBytes: SECTORS * SECTOR_SIZE,
        cacheSizeBytes: init.cachePages * PAGE_SIZE,
        memoryBacked: true,
        discard: true,
        timeoutInject: { shouldFail: (rq) => this.#shouldHang(rq) },
        requeueInject: { shouldFail: (rq) => this.#shouldRequeue(rq) },
        busyInject: { shouldFail: (rq) => this.#shouldBeBusy(rq) },
        resetTimerInject: this.resets,
      },
    )
    this.#disk = this.device.disk
    this.plugs = [0, 1].map((cpu) => new Plug({ cpu, maxRequests: 6 }))
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
    for (const io of this.#ios) if (!io.ended) io.updateBad(this)
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

  poll(): void {
    this.#disk.queue.poll()
  }

  onEnd(io: TrackedIo, status: BlkStatus): void {
    this.#checkStatus(io, status)
    const op = io.bio.biOpf & 0xff
    const isOk = status === BlkStatus.OK
    if (isOk) io.onOk()
    if (op === ReqOp.READ) {
      const values = isOk ? this.#valuesRead(io) : null
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
    for (const tags of new Set(tagSet.tagMaps)) {
      const taken = tags.requests.filter((rq) => rq.mqHctx !== null)
      inFlight += tags.requests.filter((rq) => rq.state !== MqRqState.IDLE).length
      const below = taken.filter((rq) => rq.tag < tags.depth).length
      if (tags.free + below !== tags.depth) {
        throw new Error(`${tags.free} tags free, ${below} in use, of ${tags.depth}`)
      }
      const active = tags.users.reduce((sum, user) => sum + user.active, 0)
      if (active !== taken.length) throw new Error(`${taken.length} tags, ${active} active`)
    }
    const { stats } = this.#disk
    if (stats.inFlight !== inFlight)
      throw new Error(`${stats.inFlight} in flight, ${inFlight} seen`)
    if (stats.completions > stats.requests) throw new Error('more completions than requests')
    if (stats.requeues > this.injectedRequeues) throw new Error('requeues of nobody')
  }

  /** No more faults: everything ends soon, and nothing is left. Then the power goes and comes, and what is durable is there. */
  finish(): void {
    const { scheduler } = this.machine
    this.requeues.times = 0
    this.busy.times = 0
    this.timeouts.times = 0
    this.resets.times = 0
    for (const plug of this.plugs) plug.finish()
    while (this.quiesced > 0) this.unquiesce()
    while (this.#freezers.length > 0) this.unfreeze()
    this.#drain(4)
    this.cancelHung()
    this.#drain(4)
    const late = this.#ios.filter((io) => !io.ended)
    if (late.length > 0 || this.#controls > 0) this.#stalled(late)
    this.check()
    this.remove()
    scheduler.runUntilIdle()
    const { stats } = this.#disk
    if (stats.inFlight !== 0 || stats.completions !== stats.requests - this.#rqMerges) {
      throw new Error(`${stats.requests} requests, of them ${stats.completions} ended`)
    }
    this.#checkDurable()
    scheduler.runSync('destroy', this.device.destroy())
    scheduler.runUntilIdle()
    const left = scheduler.outstanding()
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
    throw new Error(`stalled: ${late.map(describe).join(', ')}; ${left.join('; ')}`)
  }

  #checkDurable(): void {
    this.setBad(`-0-${SECTORS}`)
    this.#sectors.forgetVolatile()
    this.device.powerOn()
    this.removed = false
    const step = 16
    for (let sector = 0; sector < SECTORS; sector += step) {
      const blocks = (step * SECTOR_SIZE) / this.init.blockSizeBytes
      const bio = this.#fill(
        new TrackedIo(
          this,
          { op: ReqOp.READ, flags: 0, sector, blocks, runSectors: 64 },
          sector,
          step,
          0,
        ),
        64,
      )
      const io = this.#byBio.get(bio)
      if (io === undefined) throw new Error('no such bio')
      this.#sectors.begin(sector, step, false)
      this.machine.scheduler.runSync('read', this.device.disk.submitBioWait(bio, null))
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
    const io = new TrackedIo(this, init, sector, sectors, value)
    this.#fill(io, init.runSectors)
    if ((init.flags & ReqFlags.PREFLUSH) !== 0) io.onOk = this.#sectors.flush()
    this.#sectors.begin(sector, sectors, isWrite)
    return io
  }

  #fill(io: TrackedIo, runSectors: number): Bio {
    const { bio, sectors } = io
    const index = this.#ios.length
    this.#ios.push(io)
    this.#byBio.set(bio, io)
    bio.biIter.biSize = sectors * SECTOR_SIZE
    if ((bio.biOpf & 0xff) === ReqOp.DISCARD) return bio
    const base = index * 2 * BUFFER_BYTES
    const run = this.init.virtBoundary ? BUFFER_BYTES / SECTOR_SIZE : runSectors
    // Small runs have gaps between them.
    const stride = run < 8 ? 2 * run : run
    const fill = (bio.biOpf & 0xff) === ReqOp.WRITE ? io.value : 0xee
    const vecs: BioVec[] = []
    for (let at = 0; at < sectors; at += run) {
      const lengthBytes = Math.min(run, sectors - at) * SECTOR_SIZE
      const addr = base + vecs.length * stride * SECTOR_SIZE
      vecs.push({ frame: Math.floor(addr / PAGE_SIZE), offsetBytes: addr % PAGE_SIZE, lengthBytes })
      this.#bytes(addr, lengthBytes).fill(fill)
    }
    bio.biIoVec = vecs
    bio.biVcnt = vecs.length
    return bio
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

  #valuesRead(io: TrackedIo): number[] {
    const values: number[] = []
    for (const vec of io.bio.biIoVec.slice(0, io.bio.biVcnt)) {
      const addr = vec.frame * PAGE_SIZE + vec.offsetBytes
      for (let at = 0; at < vec.lengthBytes; at += SECTOR_SIZE) {
        const sector = this.#bytes(addr + at, SECTOR_SIZE)
        const value = sector[0] ?? -1
        if (sector.some((byte) => byte !== value)) throw new Error('a sector of two writes')
        values.push(value)
      }
    }
    return values
  }

  #checkStatus(io: TrackedIo, status: BlkStatus): void {
    const wrong = this.#wrongStatus(io, status)
    if (wrong === null) return
    throw new Error(`${describe(io)} ended with ${blkStatusText(status)}: ${wrong}`)
  }

  #wrongStatus(io: TrackedIo, status: BlkStatus): string | null {
    const { biOpf } = io.bio
    switch (status) {
      case BlkStatus.OK:
        if (io.afterRemoval && io.sectors > 0) return 'the device was gone'
        if (io.badAlways.size > 0) return 'a sector is bad'
        return io.hung ? 'a request of it hung' : null
      case BlkStatus.IOERR:
        if (io.companions.some((other) => other.badEver)) return null
        return io.badEver || io.cancelled || this.removed ? null : 'nothing is bad'
      case BlkStatus.TIMEOUT:
        return io.hung || (biOpf & ReqFlags.POLLED) !== 0 ? null : 'no request of it hung'
      case BlkStatus.AGAIN:
        return (biOpf & ReqFlags.NOWAIT) !== 0 ? null : 'it may wait'
      default:
        return 'a status of nobody'
    }
  }

  /** Plain submission may say so for want of a tag, for a split, or while the queue is frozen. */
  #checkAgain(io: TrackedIo): void {
    const { tagSet } = this.#disk.queue
    const isFull = tagSet?.tagMaps.some((tags) => tags.free === 0) ?? false
    if (isFull || this.#controls > 0) return
    if (io.sectors > this.init.maxSectors || this.init.virtBoundary) return
    throw new Error('AGAIN for no reason')
  }

  #shouldHang(rq: Request | null): boolean {
    this.offers++
    if (this.quiesced > 0) throw new Error('offered to the driver while quiesced')
    this.#hang = this.timeouts.shouldFail(rq)
    return this.#hang
  }

  #shouldRequeue(rq: Request | null): boolean {
    const requeue = this.requeues.shouldFail(rq)
    if (requeue) this.injectedRequeues++
    return requeue
  }

  /** The last to be asked: if the driver is not busy either it takes the request. */
  #shouldBeBusy(rq: Request | null): boolean {
    const isBusy = this.busy.shouldFail(rq)
    if (isBusy) this.injectedRequeues++
    else this.#taken(rq)
    return isBusy
  }

  #taken(rq: Request | null): void {
    const ios: TrackedIo[] = []
    for (let bio = rq?.bio ?? null; bio !== null; bio = bio.biNext) {
      const io = this.#byBio.get(bioRoot(bio))
      if (io !== undefined) ios.push(io)
    }
    const isHung = this.#hang && rq?.mqHctx?.type !== HctxType.POLL
    for (const io of ios) {
      io.hung ||= isHung
      if (ios.length > 1) io.companions.push(...ios)
    }
  }

  #bytes(addr: number, length: number): Uint8Array {
    const index = Math.floor(addr / (2 * BUFFER_BYTES))
    const buffer = this.#buffers[index] ?? new Uint8Array(2 * BUFFER_BYTES)
    this.#buffers[index] = buffer
    const offset = addr % (2 * BUFFER_BYTES)
    return buffer.subarray(offset, offset + length)
  }

  #cpuMemory(): CpuMemory {
    return {
      read: (addr, target) => target.set(this.#bytes(addr, target.length)),
      write: (addr, source) => this.#bytes(addr, source.length).set(source),
    }
  }
}

function describe(io: TrackedIo): string {
  const { biOpf } = io.bio
  return `op 0x${biOpf.toString(16)} of ${io.sectors} sectors at ${io.sector}`
}

/** One that gives up soon where something runs for ever. */
function makeMachine(seed: number, exploring: boolean): Machine {
  const random = createPrng(seed)
  const strategy = {
    choose: (candidates: readonly unknown[]) => random.below(candidates.length),
    chooseNested: (candidates: readonly unknown[]) => random.below(candidates.length + 1) - 1,
  }
  const scheduler = createVirtualScheduler({
    strategy: exploring ? strategy : seededStrategy(seed),
    stepsMax: 50_000,
  })
  return { scheduler, kernel: createKernel({ scheduler }, { checked: true }) }
}
