// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// How a controller goes away, orderly or because somebody pulled it out.
//
// Buffers may be registered, and their maps in use by requests that the controller has. The end of such a map waits for the requests, and the requests end
// only when they are cancelled; so the order is (H15)
//
//   1 disks die                 no new I/O, and nobody waits for a tag any more
//   2 registrations are told    no map is made or found from now on
//     resets end                one that is under way; none begins
//   3 the controller is stopped CSTS.RDY 0, or bus mastering off: no DMA any more
//   4 requests are cancelled    each drops `active` of its map, once
//   5 registrations detach      waits until the maps are unmapped
//
// Detaching before 4 waits for what only 4 does, for ever. Unmapping before 3 takes the pages away under DMA. Without 2 a map could be made
// between 4 and the end, for a device that is gone. The registrations stay with their owners, who release them when they like.

import type { Disk } from '@iolayers/block-core'
import type { Op } from '@iolayers/kernel'
import type { DevDisable } from './dev-disable.ts'

/** The registrations that were made with a device. */
export interface DeviceRegistrations {
  /** See DmabufToken.deviceRemoved. */
  deviceRemoved(): void
  /** See DmabufToken.detachDevice. Returns when none needs the device any more. */
  detachDevice(): Op<void>
}

export interface RemovalComponents {
  readonly disks: readonly Disk[]
  readonly registrations: DeviceRegistrations
  readonly disable: DevDisable
  /** Returns when no reset is under way, and none will be. */
  readonly stopResets: () => Op<void>
}

/** @see drivers/nvme/host/pci.c nvme_remove */
export class Removal {
  protected readonly components: RemovalComponents

  constructor(components: RemovalComponents) {
    this.components = components
  }

  *run(): Op<void> {
    this.killDisks()
    this.tellRegistrations()
    yield* this.components.stopResets()
    yield* this.stopDevice()
    yield* this.detachRegistrations()
    for (const disk of this.components.disks) yield* disk.destroy()
  }

  protected killDisks(): void {
    for (const disk of this.components.disks) disk.markDead()
  }

  protected tellRegistrations(): void {
    this.components.registrations.deviceRemoved()
  }

  /** What was waiting to be handed over ends then, too. */
  protected *stopDevice(): Op<void> {
    const { disable } = this.components
    yield* disable.run(false)
    disable.unquiesce()
  }

  protected *detachRegistrations(): Op<void> {
    yield* this.components.registrations.detachDevice()
  }
}
