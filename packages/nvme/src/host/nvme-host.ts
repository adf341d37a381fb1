// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk, DmabufTokenFactory } from '@iolayers/block-core'
import type { Device } from '@iolayers/dma-mapping'
import { Completion, type Kernel, KernelError, type Op } from '@iolayers/kernel'
import type { InterruptSink, RegisterBar } from '../controller/contracts.ts'
import { ADMIN_DATA_SIZE, type AdminCommand, type AdminResult } from './admin/admin-queue.ts'
import { CtrlState } from './ctrl/ctrl-state.ts'
import type { IdentifyController } from './ctrl/identify.ts'
import type { IoCommand } from './dma/command-data.ts'
import { type HostSettings, hostSettings, type NvmeHostInit } from './host-init.ts'
import { type HostParts, hostParts } from './host-parts.ts'
import { ioPassthru } from './io/passthru.ts'
import type { DevDisable } from './life/dev-disable.ts'
import type { IgnoredNamespace } from './life/namespaces.ts'
import { NvmeDev } from './life/nvme-dev.ts'
import { probeController } from './life/probe.ts'
import type { Recovery } from './life/recovery.ts'
import type { NvmeHostStats } from './stats.ts'

export type { IgnoredNamespace } from './life/namespaces.ts'

export interface NvmeHostComponents {
  readonly kernel: Kernel
  /** The controller, as its driver sees it on the bus. */
  readonly device: Device
  readonly bar: RegisterBar
  /** Called once, by `probe`: from then on the controller's interrupts go to the sink. */
  readonly interrupts: (sink: InterruptSink) => void
  /** Without it no dma-buf can be registered. */
  readonly tokens?: DmabufTokenFactory
  /** See `@iolayers/nvme/parts`. */
  readonly parts?: HostParts
}

/** The driver of one controller. */
export interface NvmeHost {
  /**
   * Enables the controller and makes a disk of each of its namespaces. Once. Throws KernelError ENODEV for a controller that does not
   * answer or cannot be driven, EIO for one in fatal error, ETIMEDOUT, ENOMEM, or what its answers stand for; nothing is left
   * behind then.
   */
  probe(): Op<void>
  /** In the order of the namespace identifiers; another list after each change. */
  readonly disks: readonly Disk[]
  readonly ignoredNamespaces: readonly IgnoredNamespace[]
  /** Null before `probe`. */
  readonly controller: IdentifyController | null
  /**
   * Waits for what is in flight, deletes the queues, shuts the controller down, and gives all memory back. Registered
   * buffers lose the device, if they are not released before. Idempotent. Throws KernelError EBUSY during `probe`, and when the controller does not shut
   * down; everything is given back then too.
   */
  shutdown(): Op<void>
  /**
   * Makes the disks those of the namespaces that the controller has now, as it does by itself where the controller tells of changes. Disks of namespaces
   * that stay are kept; one whose namespace is gone, or is another one by its identity or format, ends its I/O with IOERR and is destroyed when the last has
   * ended. Throws KernelError ENODEV where the controller is not live, or what the first namespace that it refuses to identify stands for; the others are done.
   * @see drivers/nvme/host/core.c nvme_scan_work
   */
  rescan(): Op<void>
  /**
   * Stops the controller, takes back what it has, and starts it again; what was taken back is handed over again. Registered buffers and their maps
   * stay. Throws KernelError EBUSY where the controller is not live, ENETRESET where it did not come back: then all I/O ends with IOERR.
   */
  reset(): Op<void>
  /**
   * The controller goes away, or is gone. Requests that it has end with IOERR, new ones too; registered buffers lose the device and stay
   * registered until they are released. Gives all memory back. Idempotent. Throws KernelError EBUSY during `probe`.
   */
  remove(): Op<void>
  /**
   * Sends an admin command as it is, and returns what the controller said, well or not. With at most 4096 bytes of data. What a command changes that the
   * driver relies on (queues, features) it does not hear of. Throws KernelError ENODEV where the controller is not live, ETIMEDOUT, ENOMEM, EINVAL for
   * too much data.
   * @see drivers/nvme/host/ioctl.c NVME_IOCTL_ADMIN_CMD
   */
  adminPassthru(command: AdminCommand): Op<AdminResult>
  /**
   * Sends a command of the caller's own on an I/O queue, and returns what the controller said, well or not; it is not tried again. Its data, at most as much
   * as one command may move, is copied. What a command does that the driver relies on it does not hear of. Throws KernelError ENODEV where there is no disk of the
   * namespace, or the controller went away before it had answered; EINVAL, ENOMEM.
   * @see drivers/nvme/host/ioctl.c NVME_IOCTL_IO_CMD
   */
  ioPassthru(nsid: number, command: IoCommand): Op<AdminResult>
  readonly state: CtrlState
  readonly stats: NvmeHostStats
}

class PciHost implements NvmeHost {
  readonly #dev: NvmeDev
  readonly #disable: DevDisable
  readonly #recovery: Recovery
  /** All is given back. */
  readonly #ended: Completion
  #probed: boolean
  #probing: boolean
  #ending: boolean

  constructor(components: NvmeHostComponents, settings: HostSettings) {
    const { kernel, parts = {} } = components
    this.#dev = new NvmeDev(components, settings, hostParts(parts))
    this.#disable = new this.#dev.parts.disable({ kernel }, this.#dev)
    this.#recovery = new this.#dev.parts.recovery(this.#dev, this.#disable)
    this.#dev.scan.onPersistentError = () => this.#recovery.tryReset()
    this.#ended = new Completion(kernel.scheduler, `end of ${this.#dev.name}`)
    this.#probed = false
    this.#probing = false
    this.#ending = false
  }

  get disks(): readonly Disk[] {
    return this.#dev.disks
  }

  get ignoredNamespaces(): readonly IgnoredNamespace[] {
    return this.#dev.namespaces.ignored
  }

  get controller(): IdentifyController | null {
    return this.#dev.controller
  }

  get state(): CtrlState {
    return this.#dev.state.current
  }

  get stats(): NvmeHostStats {
    return this.#dev.counters
  }

  /** @see drivers/nvme/host/pci.c nvme_probe */
  *probe(): Op<void> {
    if (this.#probed) throw new KernelError('EBUSY', 'nvme host: probed before')
    this.#probed = true
    this.#probing = true
    try {
      yield* probeController(this.#dev, this.#recovery)
    } catch (error) {
      this.#ending = true
      yield* this.#remove()
      throw error
    } finally {
      this.#probing = false
    }
  }

  *adminPassthru(command: AdminCommand): Op<AdminResult> {
    const { admin, state } = this.#dev
    if (admin === null || state.current !== CtrlState.LIVE) {
      throw new KernelError('ENODEV', `${this.#dev.name}: an admin command, and no live controller`)
    }
    const dataBytes = Math.max(command.dataIn?.length ?? 0, command.dataOut?.length ?? 0)
    if (dataBytes > ADMIN_DATA_SIZE) {
      throw new KernelError('EINVAL', 'data of an admin command', {
        value: dataBytes,
        accepted: `at most ${ADMIN_DATA_SIZE} bytes`,
      })
    }
    return yield* admin.execute(command)
  }

  ioPassthru(nsid: number, command: IoCommand): Op<AdminResult> {
    return ioPassthru(this.#dev, nsid, command)
  }

  rescan(): Op<void> {
    return this.#dev.scan.rescan()
  }

  reset(): Op<void> {
    return this.#recovery.reset()
  }

  /** @see drivers/nvme/host/pci.c nvme_shutdown */
  *shutdown(): Op<void> {
    if (!(yield* this.#beginEnd())) return
    const { state, registrations, scan } = this.#dev
    yield* scan.stop()
    for (const disk of this.#dev.disks) yield* disk.destroy()
    yield* this.#recovery.settle()
    state.change(CtrlState.DELETING)
    yield* this.#recovery.stop()
    registrations.deviceRemoved()
    const failure = yield* this.#disable.run(true)
    yield* registrations.detachDevice()
    this.#free()
    if (failure !== null) throw failure
  }

  *remove(): Op<void> {
    if (yield* this.#beginEnd()) yield* this.#remove()
  }

  /** @see drivers/nvme/host/pci.c nvme_remove */
  *#remove(): Op<void> {
    const { state, regs, disks, registrations, parts, scan } = this.#dev
    state.change(CtrlState.DELETING)
    if (regs.gone) state.change(CtrlState.DEAD)
    const stopResets = (): Op<void> => this.#recovery.stop()
    const disable = this.#disable
    yield* new parts.removal({ disks, registrations, disable, stopResets }).run()
    yield* scan.stop()
    this.#free()
  }

  /** False: there is nothing to end, or somebody else does it, and has by now. */
  *#beginEnd(): Op<boolean> {
    if (this.#probing) throw new KernelError('EBUSY', 'nvme host: still being probed')
    if (!this.#probed) return false
    if (this.#ending) {
      yield* this.#ended.wait()
      return false
    }
    this.#ending = true
    return true
  }

  #free(): void {
    this.#dev.free()
    this.#ended.completeAll()
  }
}

/** Throws KernelError EINVAL for a setting out of range. The controller is not touched before `probe`. */
export function createNvmeHost(components: NvmeHostComponents, init: NvmeHostInit = {}): NvmeHost {
  return new PciHost(components, hostSettings(init))
}
