// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A model in virtual time: the product's host, controller, token and dma-buf, over a medium that takes a stated time for each command. Random 4 KiB reads of a
// registered buffer are kept in flight, and an exporter takes the buffer away every so often.

import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { Bio, BlkStatus, type Disk, type DmabufToken, ReqFlags, ReqOp } from '@iolayers/block-core'
import { createDmaBufCore, createSystemHeap, type DmaBuf, DmaResvUsage } from '@iolayers/dma-buf'
import { createDevice, createPhysicalMemory, DmaDirection, IommuMode } from '@iolayers/dma-mapping'
import {
  Completion,
  createKernel,
  createPrng,
  createVirtualScheduler,
  fifoStrategy,
  joinAll,
  type Kernel,
  type Op,
  sleep,
  Timer,
} from '@iolayers/kernel'
import {
  createMemoryStore,
  createNvmeController,
  type NamespaceStore,
  type StoreIo,
} from '@iolayers/nvme/controller'
import { createNvmeHost, type NvmeHost } from '@iolayers/nvme/host'

const BLOCK_BYTES = 4096
const SECTORS = BLOCK_BYTES / 512
const MEDIUM_BYTES = 4 << 20
const RAM_BYTES = 24 << 20
const WAIT_NS = 60e9

export interface EvictionsInit {
  readonly policy: 'fence' | 'drain'
  /** What the medium takes for a command, on average. */
  readonly latencyNs: number
  /** What it takes for one of each hundred. */
  readonly slowNs: number
  readonly inFlight: number
  /** 0: the buffer stays. */
  readonly evictions: number
  readonly everyNs: number
  /** I/Os that each of those in flight makes. */
  readonly rounds: number
}

/** Virtual nanoseconds, one for each eviction or I/O. */
export interface EvictionsResult {
  /** Of the exporter's call, with the lock held. */
  readonly callNs: readonly number[]
  /** From the call until no DMA is left: the memory is the exporter's. */
  readonly ownNs: readonly number[]
  readonly ioNs: readonly number[]
  /** I/Os that were handed over, lost their map, and were sent again by their issuer. */
  readonly resent: number
  readonly totalNs: number
}

export function runEvictions(init: EvictionsInit): EvictionsResult {
  const scheduler = createVirtualScheduler({ strategy: fifoStrategy(), stepsMax: 1e9 })
  const kernel = createKernel({ scheduler })
  return scheduler.runSync('evictions', new Evictions(kernel, init).run())
}

class Evictions {
  readonly #kernel: Kernel
  readonly #init: EvictionsInit
  readonly #callNs: number[] = []
  readonly #ownNs: number[] = []
  readonly #ioNs: number[] = []
  #resent = 0

  constructor(kernel: Kernel, init: EvictionsInit) {
    this.#kernel = kernel
    this.#init = init
  }

  *run(): Op<EvictionsResult> {
    const { scheduler } = this.#kernel
    const { policy, inFlight } = this.#init
    const memory = createPhysicalMemory({ kernel: this.#kernel }, { ramBytes: RAM_BYTES })
    const core = createDmaBufCore({ kernel: this.#kernel })
    const host = this.#makeHost(memory, core)
    yield* host.probe()
    const [disk] = host.disks
    if (disk?.dmabuf == null) throw new Error('a disk that takes no registrations')
    const heap = createSystemHeap({ kernel: this.#kernel, memory, core })
    const dmabuf = heap.allocate(inFlight * BLOCK_BYTES)
    const token = yield* disk.dmabuf.createDmabufToken(dmabuf, DmaDirection.BIDIRECTIONAL, {
      policy,
    })
    const begun = scheduler.nowNs()
    const readers = Array.from({ length: inFlight }, (_, slot) =>
      scheduler.spawn(`reader ${slot}`, this.#read(disk, token, slot)),
    )
    yield* this.#evict(dmabuf)
    yield* joinAll(scheduler, readers)
    const totalNs = scheduler.nowNs() - begun
    yield* token.release()
    dmabuf.put()
    yield* host.shutdown()
    const { callNs, ownNs, ioNs } = { callNs: this.#callNs, ownNs: this.#ownNs, ioNs: this.#ioNs }
    return { callNs, ownNs, ioNs, resent: this.#resent, totalNs }
  }

  #makeHost(
    memory: ReturnType<typeof createPhysicalMemory>,
    core: ReturnType<typeof createDmaBufCore>,
  ): NvmeHost {
    const kernel = this.#kernel
    const device = createDevice(
      { kernel, memory, iommu: null },
      { name: 'nvme0', iommuMode: IommuMode.PASSTHROUGH },
    )
    const controller = createNvmeController({ kernel, bus: device.bus }, { maxQueuePairs: 1 })
    const medium = createMemoryStore({ kernel, memory }, { sizeBytes: MEDIUM_BYTES })
    controller.addNamespace(1, { store: new SlowStore(kernel, medium, this.#init) })
    return createNvmeHost(
      {
        kernel,
        device,
        bar: controller.bar,
        interrupts: (sink) => controller.connectInterrupts(sink),
        tokens: createDmabufTokenFactory({ kernel, fences: core }),
      },
      { ioQueues: 1, queueDepth: this.#init.inFlight },
    )
  }

  *#read(disk: Disk, token: DmabufToken, slot: number): Op<void> {
    const { scheduler } = this.#kernel
    const prng = createPrng(slot + 1)
    const done = new Completion(scheduler, 'a read')
    const bio = new Bio()
    const onEnd = { bioEndIo: () => done.complete() }
    for (let round = 0; round < this.#init.rounds; round++) {
      const sector = prng.below(MEDIUM_BYTES / BLOCK_BYTES) * SECTORS
      const begun = scheduler.nowNs()
      for (;;) {
        const map = yield* token.getMap()
        done.reinit()
        bio.init(ReqOp.READ | ReqFlags.DMABUF | ReqFlags.NOMERGE, sector, onEnd)
        bio.biDmabufMap = map
        bio.biIter.biBvecDone = slot * BLOCK_BYTES
        bio.biIter.biSize = BLOCK_BYTES
        yield* disk.submitBioWait(bio, null)
        yield* done.wait()
        map.put()
        if (bio.biStatus === BlkStatus.OK) break
        if (bio.biStatus !== BlkStatus.STALE) throw new Error(`a read ended with ${bio.biStatus}`)
        this.#resent++
      }
      this.#ioNs.push(scheduler.nowNs() - begun)
    }
  }

  *#evict(dmabuf: DmaBuf): Op<void> {
    const { scheduler } = this.#kernel
    const { resv } = dmabuf
    for (let count = 0; count < this.#init.evictions; count++) {
      yield* sleep(scheduler, this.#init.everyNs)
      yield* resv.lock(null)
      const begun = scheduler.nowNs()
      yield* dmabuf.invalidateMappings()
      this.#callNs.push(scheduler.nowNs() - begun)
      yield* resv.waitTimeout(DmaResvUsage.BOOKKEEP, false, WAIT_NS)
      this.#ownNs.push(scheduler.nowNs() - begun)
      resv.unlock()
    }
  }
}

/** Hands each I/O on when its time has come. */
class SlowStore implements NamespaceStore {
  readonly sizeBytes: number
  readonly lastError = null
  readonly #kernel: Kernel
  readonly #inner: NamespaceStore
  readonly #init: EvictionsInit
  readonly #prng = createPrng(1)

  constructor(kernel: Kernel, inner: NamespaceStore, init: EvictionsInit) {
    this.#kernel = kernel
    this.#inner = inner
    this.#init = init
    this.sizeBytes = inner.sizeBytes
  }

  submit(io: StoreIo): void {
    const { latencyNs, slowNs } = this.#init
    const timer = new Timer(this.#kernel.scheduler, 'medium', () => this.#inner.submit(io))
    // Half to one and a half times the latency, so that commands do not march in step.
    const spread = latencyNs * (0.5 + this.#prng.below(1000) / 1000)
    timer.arm(this.#prng.below(100) === 0 ? slowNs : spread)
  }

  close(): Op<void> {
    return this.#inner.close()
  }
}
