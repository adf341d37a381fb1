// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createTagSet } from '@iolayers/block-core'
import { KernelError, type Op } from '@iolayers/kernel'
import { Reg } from '../../spec/index.ts'
import { AdminQueue, NVME_AQ_DEPTH } from '../admin/admin-queue.ts'
import { CtrlState } from '../ctrl/ctrl-state.ts'
import {
  type IdentifyController,
  identifyController,
  identifyNvmController,
} from '../ctrl/identify.ts'
import { createIoQueue, setQueueCount } from '../ctrl/io-queues.ts'
import { commandBounds, type HostBounds, iodBounds, sglSupported } from '../ctrl/limits.ts'
import type { ControllerCap } from '../ctrl/nvme-regs.ts'
import { polledMaps, queueCounts, wantedQueues } from '../ctrl/queue-counts.ts'
import { enableRetryDelays } from '../ctrl/retry-delays.ts'
import { CommandData } from '../dma/command-data.ts'
import { createDescriptorPools } from '../dma/descriptor-pools.ts'
import { DiscardData } from '../dma/discard-data.ts'
import type { NvmeIod } from '../dma/iod.ts'
import type { NvmeIo } from '../io/nvme-io.ts'
import type { NvmeQueue, NvmeQueueInit } from '../queue/nvme-queue.ts'
import type { NvmeDev } from './nvme-dev.ts'
import type { Recovery } from './recovery.ts'

const UINT_MAX = 0xffff_ffff

/**
 * Makes all that a controller needs, and disks of its namespaces. On an error what was made stays for whoever takes the device down.
 * @see drivers/nvme/host/pci.c nvme_probe
 */
export function* probeController(dev: NvmeDev, recovery: Recovery): Op<void> {
  const { settings, regs, device } = dev
  device.bus.enabled = true
  const cap = regs.readCap()
  dev.cap = cap
  dev.state.change(CtrlState.CONNECTING)
  yield* regs.disable(cap.readyTimeoutNs)
  dev.connectInterrupts(dev.interrupts)
  const admin = makeAdminQueue(dev, cap, recovery)
  yield* regs.enable(cap)
  const id = yield* identifyController(admin)
  dev.controller = id
  recovery.setAbortLimit(id)
  const bounds = commandBounds(id, settings)
  const counts = queueCounts(settings, yield* setQueueCount(admin, wantedQueues(settings)))
  const queues = counts.withInterrupts + counts.polled
  const depth = Math.min(settings.queueDepth, cap.maxQueueEntries - 1)
  const io = makeIo(dev, { id, bounds, depth }, recovery)
  dev.io = io
  for (let qid = 1; qid <= queues; qid++) {
    const isPolled = qid > counts.withInterrupts
    yield* createIoQueue(admin, addIoQueue(dev, cap, io, { qid, entries: depth + 1, isPolled }))
  }
  const { ioTimeoutNs } = settings
  const tagSet = createTagSet<NvmeIod>(
    { kernel: dev.kernel },
    {
      ops: io,
      nrHwQueues: queues,
      queueDepth: depth,
      ...(counts.polled > 0 && polledMaps(counts)),
      ...(ioTimeoutNs > 0 && { timeoutNs: ioTimeoutNs }),
    },
  )
  yield* enableFeatures(dev, admin, id)
  const nvm = yield* identifyNvmController(admin, id)
  yield* dev.namespaces.scan(admin, { id, nvm, bounds, io, tagSet })
  if (!dev.state.change(CtrlState.LIVE)) {
    throw new KernelError('ENODEV', 'nvme host: removed while it was probed')
  }
  dev.scan.live()
  dev.keepAlive.live()
}

/**
 * After a disable: the controller is started again, with the memory that it had before, so that nothing has to be allocated while requests wait (F13).
 * @see drivers/nvme/host/pci.c nvme_reset_work
 */
export function* restartController(dev: NvmeDev, recovery: Recovery): Op<void> {
  const { regs, device, admin, io } = dev
  if (admin === null || io === null) throw new KernelError('ENODEV', 'nvme reset: never probed')
  const cap = regs.readCap()
  dev.cap = cap
  // One that has not stopped may still have commands whose memory is others' by now: it does not get the bus back.
  yield* regs.disable(cap.readyTimeoutNs)
  device.bus.enabled = true
  admin.queue.reinit()
  setAdminQueue(dev, admin.queue)
  yield* regs.enable(cap)
  const id = yield* identifyController(admin)
  recovery.setAbortLimit(id)
  const { ioQueues } = dev
  const granted = yield* setQueueCount(admin, ioQueues.length)
  if (granted < ioQueues.length) {
    const text = `nvme reset: ${granted} I/O queues granted, of ${ioQueues.length} that it had`
    throw new KernelError('ENODEV', text)
  }
  for (const queue of ioQueues) {
    queue.reinit()
    yield* createIoQueue(admin, queue)
  }
  yield* enableFeatures(dev, admin, id)
  if (yield* dev.namespaces.revalidate(admin)) dev.scan.changed()
}

function makeAdminQueue(dev: NvmeDev, cap: ControllerCap, recovery: Recovery): AdminQueue {
  const { kernel, device, counters, interrupts } = dev
  const entries = Math.min(NVME_AQ_DEPTH, cap.maxQueueEntries)
  const queue = makeQueue(dev, cap, { qid: 0, entries, vector: 0 })
  const admin = new AdminQueue(
    { kernel, device, counters, queue, expired: () => recovery.adminExpired() },
    { timeoutNs: dev.settings.adminTimeoutNs, sglOnly: dev.settings.sglOnly },
  )
  dev.admin = admin
  interrupts.request(0, `${dev.name}q0`, () => admin.reap())
  setAdminQueue(dev, queue)
  return admin
}

/** What the controller has forgotten after each reset. @see drivers/nvme/host/core.c nvme_configure_host_options, nvme_start_ctrl */
function* enableFeatures(dev: NvmeDev, admin: AdminQueue, id: IdentifyController): Op<void> {
  yield* enableRetryDelays(admin, id)
  yield* dev.keepAlive.enable(admin)
  yield* dev.scan.enableEvents(admin, id)
}

function setAdminQueue(dev: NvmeDev, queue: NvmeQueue): void {
  dev.regs.setAdminQueue(queue.entries, queue.sqDmaAddr, queue.cqDmaAddr)
}

function makeQueue(
  dev: NvmeDev,
  cap: ControllerCap,
  init: Pick<NvmeQueueInit, 'qid' | 'entries' | 'vector'>,
): NvmeQueue {
  const { device, bar, counters } = dev
  const { qid } = init
  return new dev.parts.queue(
    { device, bar, counters },
    {
      ...init,
      sqDoorbell: Reg.DBS + 2 * qid * cap.doorbellStride,
      cqDoorbell: Reg.DBS + (2 * qid + 1) * cap.doorbellStride,
    },
  )
}

function makeIo(
  dev: NvmeDev,
  ctrl: {
    readonly id: IdentifyController
    readonly bounds: HostBounds
    readonly depth: number
  },
  recovery: Recovery,
): NvmeIo {
  const { device, settings, parts, counters, trace } = dev
  const { depth } = ctrl
  const room = iodBounds(ctrl.bounds)
  const pools = createDescriptorPools(device, {
    small: settings.smallDescriptors ?? Math.min(1024, depth * wantedQueues(settings)),
    page: settings.pageDescriptors ?? room.descriptors + 64,
  })
  dev.pools = pools
  const sgl = new parts.sglList(pools)
  const hasSgl = sglSupported(ctrl.id)
  const policy = {
    sglSupported: hasSgl,
    sglThresholdBytes: settings.sglThresholdBytes,
    sglOnly: settings.sglOnly,
    maxSegmentSizeBytes: hasSgl ? device.maxSegmentSizeBytes : UINT_MAX,
    segBoundaryMask: device.segBoundaryMask,
  }
  const lists = { sgl, prp: new parts.prpList(pools) }
  return new parts.io(
    {
      dmabufData: new parts.dmabufData(device, sgl, counters),
      mappedData: new parts.mappedData(device, lists, policy, counters),
      discardData: new DiscardData(pools, settings.sglOnly),
      commandData: new CommandData(lists.prp, settings.sglOnly),
      trace,
      counters,
      ...(settings.ioTimeoutNs > 0 && { recovery }),
    },
    {
      bounds: room,
      queueDepth: depth,
      maxRetries: settings.maxRetries,
      retryDelaysNs: ctrl.id.retryDelaysNs,
    },
  )
}

function addIoQueue(
  dev: NvmeDev,
  cap: ControllerCap,
  io: NvmeIo,
  init: { readonly qid: number; readonly entries: number; readonly isPolled: boolean },
): NvmeQueue {
  const { qid, entries, isPolled } = init
  const queue = makeQueue(dev, cap, { qid, entries, vector: isPolled ? null : qid })
  dev.ioQueues.push(queue)
  io.addQueue(queue)
  if (!isPolled) {
    dev.interrupts.request(qid, `${dev.name}q${qid}`, () => {
      io.reap(qid - 1)
    })
  }
  return queue
}
