// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import type { Device, DmaDirection, DmaSegmentTable } from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'
import type { DmabufMap } from '@iolayers/uio'

/**
 * One generation of device addresses of a registered buffer, as requests see it.
 *
 * Two references. `refs` (get, put): software holds a pointer; whoever imported the map holds it once for a whole I/O,
 * and the bios and requests of that I/O do not count. `active` (tryGetActive, putActive): the hardware may be doing
 * DMA. The device addresses can be reached in no other way than through `active`.
 */
export interface DmabufIoMap extends DmabufMap {
  get(): void
  put(): void
  /** Unpublished: tryGetActive fails for ever. */
  readonly dead: boolean
  /** Null when the generation is dead. Does not sleep. */
  tryGetActive(): DmaSegmentTable | null
  putActive(): void
  /**
   * Only a stacked map has it: the map of one lower device, which the bios that a stacked disk sends there carry. The reference on the
   * stacked map is enough. A stacked map has no device addresses of its own: `active` is taken on the maps below.
   */
  childMap?(index: number): DmabufIoMap
}

/** What a token that is made of others hears from them. */
export interface DmabufTokenParent {
  /** Its number in listings. */
  readonly id: number
  /** The current map of a child is dead. Called in the midst of the invalidation, at most once a map: may neither sleep nor allocate. */
  childMapLost(): void
}

/** The registration of one buffer with one block device. It holds the attachment, and makes maps when they are needed. */
export interface DmabufToken {
  readonly sizeBytes: number
  readonly direction: DmaDirection
  /** The live map with a reference on `refs` for the caller, or null where none is there. Does not sleep. */
  tryGetMap(): DmabufIoMap | null
  /**
   * The live map, made where none is there, with a reference on `refs` for the caller. Throws KernelError: ETIME when
   * the exporter's fences or an older map's end took too long, ERESTARTSYS when a signal came, ENOENT after release, ENODEV when the
   * device is gone, ENOMEM, ESTALE when a stacked token could not get live maps of all of its children, or what the exporter or the driver said.
   */
  getMap(): Op<DmabufIoMap>
  /** Idempotent. Returns when the last DMA is over and the buffer is unmapped and detached. */
  release(): Op<void>
  /**
   * The device goes away for good: no map is made or found from now on. Kills nothing, since that takes the reservation lock: whoever calls this
   * ends the device's DMA, and then calls `detachDevice`. Idempotent; neither sleeps nor allocates. The registration stays until it is released.
   */
  deviceRemoved(): void
  /**
   * What a driver calls when its device can do no DMA any more and every request has given `active` back: kills the map, waits until it is unmapped and
   * detaches the device from the buffer. Implies `deviceRemoved`. Idempotent, and safe beside a release or an invalidation. Afterwards the token needs
   * its device no more, and `release`, which is still its owner's to call, waits for nothing.
   */
  detachDevice(): Op<void>
  /** Called once, before the first map is made, by whoever makes a token of this one and others. */
  setParent(parent: DmabufTokenParent): void
}

/** How an exporter's invalidation ends the DMA of a registration: `fence` leaves a fence and returns, `drain` returns when the DMA is over. */
export type DmabufInvalidationPolicy = 'fence' | 'drain'

/** What one registration may have its own way. */
export interface DmabufTokenOptions {
  /** The token factory's where it is not given. */
  readonly policy?: DmabufInvalidationPolicy
}

/** A driver that keeps the tokens made for it, so that it can take their device from them. */
export interface DmabufTokenHolder {
  /** The token needs its device no more. Called once, at the end of its release; neither sleeps nor allocates. */
  tokenReleased(token: DmabufToken): void
}

/** Makes tokens. Drivers are given one by whoever wires the stack. */
export interface DmabufTokenFactory {
  create(
    device: Device,
    dmabuf: DmaBuf,
    direction: DmaDirection,
    options?: DmabufTokenOptions,
    holder?: DmabufTokenHolder,
  ): Op<DmabufToken>
}

/** What a disk needs of its driver for registrations. */
export interface DmabufRegistrar {
  /** Throws KernelError EOPNOTSUPP where the device cannot do dmabuf I/O. */
  createDmabufToken(
    dmabuf: DmaBuf,
    direction: DmaDirection,
    options?: DmabufTokenOptions,
  ): Op<DmabufToken>
}

/** What a stacked disk needs to take registrations. Whoever wires the stack gives it one. */
export interface StackedTokenFactory {
  /**
   * A token over one token of each lower device, in their order, for the stacked device `name`. Its map is one generation over theirs: it
   * is dead as soon as one of them is, it holds a reference on each of them as long as anybody has one on it, and its granule is the
   * smallest of theirs. The options are the children's. What a lower device throws is thrown, and the tokens that were made before are released.
   */
  createStacked(
    name: string,
    lowers: readonly DmabufRegistrar[],
    dmabuf: DmaBuf,
    direction: DmaDirection,
    options?: DmabufTokenOptions,
  ): Op<DmabufToken>
}
