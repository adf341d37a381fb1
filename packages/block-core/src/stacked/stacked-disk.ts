// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import type { DmaDirection } from '@iolayers/dma-mapping'
import { type Kernel, KernelError, type Op } from '@iolayers/kernel'
import { type BioDisk, createBioDisk } from '../disk/bio-disk.ts'
import type { Disk } from '../disk/disk.ts'
import type {
  DmabufRegistrar,
  DmabufToken,
  DmabufTokenOptions,
  StackedTokenFactory,
} from '../dmabuf/contracts.ts'
import type { QueueLimitsInit } from '../limits/validate-limits.ts'
import { type LowerRange, lowerLimits } from './lower-limits.ts'
import { StackedDriver } from './stacked-driver.ts'
import type { StackedTarget } from './stacked-target.ts'

export interface StackedDiskComponents {
  readonly kernel: Kernel
  /** Left out: the disk takes no registered dma-bufs. */
  readonly tokens?: StackedTokenFactory
}

export interface StackedDiskInit {
  readonly name: string
  /** Each disk once. They stay the caller's, and live longer than this one. */
  readonly lowers: readonly Disk[]
  readonly capacitySectors: number
  readonly target: StackedTarget
  /** Where the data begin on the lower disks, for their limits; by default at sector 0 of each. */
  readonly ranges?: readonly LowerRange[]
  /** Its own, to which those of the lower disks come. */
  readonly limits?: QueueLimitsInit
  /** Bios in hand at once; 128 by default. */
  readonly nrRequests?: number
}

const DEFAULT_IOS = 128

/**
 * A disk over other disks, by a target that says what lies where. Bios are cloned, registered buffers included: each lower disk has a
 * token and map of its own below those of this one. Read-only where a lower disk is. Throws KernelError EINVAL for no lower disks, one that is
 * there twice, or limits that do not go together.
 * @see drivers/md/dm.c
 */
export function createStackedDisk(
  components: StackedDiskComponents,
  init: StackedDiskInit,
): BioDisk {
  const { kernel, tokens } = components
  const { name, lowers, capacitySectors, target } = init
  if (lowers.length === 0 || new Set(lowers).size !== lowers.length) {
    throw new KernelError('EINVAL', `${name}: lower disks`, {
      value: lowers.map((lower) => lower.name).join(', '),
      accepted: 'at least one disk, each of them once',
    })
  }
  const ranges = init.ranges ?? lowers.map((lower) => ({ disk: lower, startSector: 0 }))
  const nrRequests = init.nrRequests ?? DEFAULT_IOS
  const driver = new StackedDriver(kernel, { name, lowers, target, nrIos: nrRequests })
  const disk = createBioDisk(
    { kernel },
    {
      name,
      capacitySectors,
      driver,
      limits: lowerLimits(init.limits ?? {}, ranges),
      readOnly: lowers.some(({ readOnly }) => readOnly),
      nrRequests,
      ...(tokens === undefined ? {} : { dmabuf: stackedRegistrar(tokens, name, lowers) }),
    },
  )
  driver.attach(disk)
  return disk
}

function stackedRegistrar(
  tokens: StackedTokenFactory,
  name: string,
  lowers: readonly Disk[],
): DmabufRegistrar {
  return {
    createDmabufToken(
      dmabuf: DmaBuf,
      direction: DmaDirection,
      options?: DmabufTokenOptions,
    ): Op<DmabufToken> {
      const registrars: DmabufRegistrar[] = []
      for (const lower of lowers) {
        if (lower.dmabuf === null) {
          const message = `${name}: ${lower.name} takes no registered dma-bufs`
          throw new KernelError('EOPNOTSUPP', message)
        }
        registrars.push(lower.dmabuf)
      }
      return tokens.createStacked(name, registrars, dmabuf, direction, options)
    },
  }
}
