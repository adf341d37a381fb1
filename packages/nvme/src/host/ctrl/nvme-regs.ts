// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op, type Scheduler, sleep } from '@iolayers/kernel'
import type { RegisterBar } from '../../controller/contracts.ts'
import { Cc, CQES, Csts, Reg, Shn, Shst, SQES } from '../../spec/index.ts'

const CC_CSS_NVM = 0
const CC_CSS_CSI = 6 << Cc.CSS_SHIFT
const CC_SHN_MASK = 3 << Cc.SHN_SHIFT
const CC_SHN_NORMAL = Shn.NORMAL << Cc.SHN_SHIFT
const CC_ENTRY_SIZES = (SQES << Cc.IOSQES_SHIFT) | (CQES << Cc.IOCQES_SHIFT)
const CSTS_SHST_COMPLETE = Shst.COMPLETE << Csts.SHST_SHIFT
/** What a read returns when nothing answers. */
const ALL_ONES = 0xffff_ffff
const POLL_NS = 1_000_000
const CAP_TO_UNIT_NS = 500_000_000
const CAP_CSS_NVM = 1 << 0
const CAP_CSS_CSI = 1 << 6

/** Controller Capabilities, as numbers that need no converting. */
export interface ControllerCap {
  /** Entries that a queue can have at most. */
  readonly maxQueueEntries: number
  /** Bytes from one doorbell to the next. */
  readonly doorbellStride: number
  /** How long RDY may take to follow EN. */
  readonly readyTimeoutNs: number
  /** Smallest memory page, as a power of two. */
  readonly minPageShift: number
  readonly commandSets: number
}

/**
 * The registers, as far as the life of a controller goes: disable, enable, shut down.
 * @see drivers/nvme/host/core.c nvme_disable_ctrl, nvme_enable_ctrl
 */
export class NvmeRegs {
  readonly #bar: RegisterBar
  readonly #scheduler: Scheduler
  #config: number

  constructor(bar: RegisterBar, scheduler: Scheduler) {
    this.#bar = bar
    this.#scheduler = scheduler
    this.#config = 0
  }

  /** Nothing answers any more: it was taken out. @see drivers/pci/pci.c pci_device_is_present */
  get gone(): boolean {
    return this.#csts() === ALL_ONES
  }

  /** Controller Fatal Status, or no answer at all. @see drivers/nvme/host/pci.c nvme_should_reset */
  get fatal(): boolean {
    return (this.#csts() & Csts.CFS) !== 0
  }

  /** Throws KernelError ENODEV for a controller that this host cannot drive, or that is not there. */
  readCap(): ControllerCap {
    if (this.#csts() === ALL_ONES) throw new KernelError('ENODEV', 'nvme: no controller answers')
    const low = this.#bar.read32(Reg.CAP)
    const high = this.#bar.read32(Reg.CAP + 4)
    const cap = {
      maxQueueEntries: (low & 0xffff) + 1,
      doorbellStride: 4 << (high & 0xf),
      readyTimeoutNs: ((low >>> 24) + 1) * CAP_TO_UNIT_NS,
      minPageShift: 12 + ((high >>> 16) & 0xf),
      commandSets: (high >>> 5) & 0xff,
    }
    if (cap.minPageShift > 12) {
      const size = 2 ** cap.minPageShift
      throw new KernelError('ENODEV', `nvme: smallest page is ${size} bytes, this host has 4096`)
    }
    if ((cap.commandSets & (CAP_CSS_NVM | CAP_CSS_CSI)) === 0) {
      throw new KernelError('ENODEV', 'nvme: the controller has no NVM command set')
    }
    return cap
  }

  /** Memory that the controller uses may be freed afterwards. */
  *disable(timeoutNs: number): Op<void> {
    this.#config &= ~(CC_SHN_MASK | Cc.EN)
    this.#bar.write32(Reg.CC, this.#config)
    yield* this.#waitCsts(Csts.RDY, 0, timeoutNs, 'reset')
  }

  setAdminQueue(entries: number, sqDmaAddr: number, cqDmaAddr: number): void {
    // Both sizes are 0's based.
    this.#bar.write32(Reg.AQA, ((entries - 1) << 16) | (entries - 1))
    this.#write64(Reg.ASQ, sqDmaAddr)
    this.#write64(Reg.ACQ, cqDmaAddr)
  }

  *enable(cap: ControllerCap): Op<void> {
    const css = (cap.commandSets & CAP_CSS_NVM) === 0 ? CC_CSS_CSI : CC_CSS_NVM
    // MPS 0: pages of 4096 bytes; AMS 0: round robin.
    this.#config = css | CC_ENTRY_SIZES
    this.#bar.write32(Reg.CC, this.#config)
    this.#config |= Cc.EN
    this.#bar.write32(Reg.CC, this.#config)
    yield* this.#waitCsts(Csts.RDY, Csts.RDY, cap.readyTimeoutNs, 'initialisation')
  }

  /** A normal shutdown: what the controller has cached is safe afterwards. */
  *shutdown(timeoutNs: number): Op<void> {
    this.#config = (this.#config & ~CC_SHN_MASK) | CC_SHN_NORMAL
    this.#bar.write32(Reg.CC, this.#config)
    yield* this.#waitCsts(Csts.SHST_MASK, CSTS_SHST_COMPLETE, timeoutNs, 'shutdown')
  }

  #csts(): number {
    return this.#bar.read32(Reg.CSTS) >>> 0
  }

  #write64(reg: number, value: number): void {
    this.#bar.write32(reg, value >>> 0)
    this.#bar.write32(reg + 4, Math.floor(value / 0x1_0000_0000))
  }

  /** @see drivers/nvme/host/core.c nvme_wait_ready */
  *#waitCsts(mask: number, value: number, timeoutNs: number, what: string): Op<void> {
    const deadline = this.#scheduler.nowNs() + timeoutNs
    for (;;) {
      const csts = this.#csts()
      if (csts === ALL_ONES) throw new KernelError('ENODEV', `nvme ${what}: the controller is gone`)
      if ((csts & mask) === value) return
      const status = `CSTS=0x${csts.toString(16)}`
      // A controller in fatal error does not become ready; that it stops is still waited for.
      if ((csts & Csts.CFS) !== 0 && value !== 0) {
        throw new KernelError('EIO', `nvme ${what}: controller fatal status, ${status}`)
      }
      if (this.#scheduler.nowNs() >= deadline) {
        const text = `nvme ${what}: not done within ${timeoutNs / 1e6} ms, ${status}`
        throw new KernelError('ENODEV', text)
      }
      yield* sleep(this.#scheduler, POLL_NS)
    }
  }
}
