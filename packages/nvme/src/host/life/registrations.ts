// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type {
  DmabufRegistrar,
  DmabufToken,
  DmabufTokenFactory,
  DmabufTokenHolder,
  DmabufTokenOptions,
} from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import type { Device, DmaDirection } from '@iolayers/dma-mapping'
import { KernelError, type Op, type Scheduler, WaitQueue } from '@iolayers/kernel'
import type { DeviceRegistrations } from './removal.ts'

export interface RegistrationsComponents {
  readonly scheduler: Scheduler
  readonly device: Device
  /** Null: buffers cannot be registered. */
  readonly tokens: DmabufTokenFactory | null
  /** Whether the controller takes SGLs. */
  readonly sglSupported: () => boolean
}

/** The buffers that are registered with the disks of a controller, from their registration to their release. */
export class Registrations implements DmabufRegistrar, DmabufTokenHolder, DeviceRegistrations {
  protected readonly components: RegistrationsComponents
  protected readonly tokens: Set<DmabufToken>
  /** Being made. */
  protected making: number
  protected removed: boolean
  protected readonly made: WaitQueue

  constructor(components: RegistrationsComponents) {
    this.components = components
    this.tokens = new Set()
    this.making = 0
    this.removed = false
    this.made = new WaitQueue(components.scheduler, 'nvme registrations in the making')
  }

  get count(): number {
    return this.tokens.size
  }

  *createDmabufToken(
    dmabuf: DmaBuf,
    direction: DmaDirection,
    options?: DmabufTokenOptions,
  ): Op<DmabufToken> {
    const { device, tokens, sglSupported } = this.components
    this.#refuseIfRemoved()
    if (!sglSupported()) {
      throw new KernelError(
        'EOPNOTSUPP',
        'nvme: the controller has no SGL support (SGLS), which registered dma-bufs need',
      )
    }
    if (tokens === null) {
      throw new KernelError('EOPNOTSUPP', 'nvme: this host was made without dma-buf registration')
    }
    this.making++
    try {
      const token = yield* tokens.create(device, dmabuf, direction, options, this)
      this.tokens.add(token)
      if (this.removed) {
        yield* token.release()
        this.#refuseIfRemoved()
      }
      return token
    } finally {
      this.making--
      this.made.wakeUpAll()
    }
  }

  tokenReleased(token: DmabufToken): void {
    this.tokens.delete(token)
  }

  deviceRemoved(): void {
    this.removed = true
    for (const token of this.tokens) token.deviceRemoved()
  }

  *detachDevice(): Op<void> {
    yield* this.made.waitEvent(() => this.making === 0)
    for (const token of [...this.tokens]) yield* token.detachDevice()
    this.tokens.clear()
  }

  #refuseIfRemoved(): void {
    if (this.removed) throw new KernelError('ENODEV', 'nvme: the controller is gone')
  }
}
