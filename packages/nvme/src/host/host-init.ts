// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { NVME_MAX_BYTES, NVME_MAX_SEGS } from './ctrl/limits.ts'
import { CID_TAG_MASK } from './io/setup-cmd.ts'

/** What Linux gives a command of an I/O queue. @see drivers/nvme/host/core.c nvme_io_timeout */
export const NVME_IO_TIMEOUT_NS = 30_000_000_000

/** What a host can be told; what is left out is as Linux has it. */
export interface NvmeHostInit {
  /** Number of the controller: its disks are nvme<instance>n1 and so on. Default 0. */
  readonly instance?: number
  /** I/O queue pairs to ask for. Default 1. */
  readonly ioQueues?: number
  /**
   * I/O queue pairs besides these that raise no interrupt: polled requests go to them, and end when somebody polls. Default 0, which leaves out as many as the
   * controller does not grant. @see drivers/nvme/host/pci.c poll_queues
   */
  readonly pollQueues?: number
  /** Commands in flight on each I/O queue. Default 1023. @see drivers/nvme/host/pci.c io_queue_depth */
  readonly queueDepth?: number
  /** Segments of one command. Default 128. */
  readonly maxSegments?: number
  /** Bytes of one command. Default 8 MiB. */
  readonly maxBytes?: number
  /** Average bytes of a segment from which on ordinary requests use SGLs; 0: never. Default 32 KiB. @see sgl_threshold */
  readonly sglThresholdBytes?: number
  /**
   * All data is described by SGLs, that of admin commands and of the caller's own as well: what a controller that is reached over a fabric takes. Default
   * false. @see NVMe Base 2.1, 4.3.2
   */
  readonly sglOnly?: boolean
  /** Blocks of 256 bytes for descriptor lists; at most one a command. Default: one for each of the first 1024 commands. */
  readonly smallDescriptors?: number
  /** Pages for descriptor lists. Default: enough for one largest command, and 64 more. */
  readonly pageDescriptors?: number
  /** How often a command is tried again. Default 5. @see drivers/nvme/host/core.c nvme_max_retries */
  readonly maxRetries?: number
  /**
   * How long a command of an I/O queue may take before it is looked for, aborted, and at last the controller reset. Left out, or 0: as long as it
   * likes, and no timer runs. Linux has `NVME_IO_TIMEOUT_NS`. @see drivers/nvme/host/core.c nvme_io_timeout
   */
  readonly ioTimeoutNs?: number
  /** Default 60 s. @see drivers/nvme/host/core.c admin_timeout */
  readonly adminTimeoutNs?: number
  /** Default: what the controller asks for, at least 5 s. @see drivers/nvme/host/core.c shutdown_timeout */
  readonly shutdownTimeoutNs?: number
  /**
   * Ask the controller to tell of namespaces that come, go and change, and follow it. Default true; without effect where it does not offer to (OAES).
   * @see drivers/nvme/host/core.c nvme_enable_aen
   */
  readonly watchNamespaces?: boolean
  /**
   * Have the controller stop when it does not hear of the host for so long, and tell it twice as often. Default 0: no timer, as in Linux on PCIe; the
   * probe of a controller that has none fails. @see NVMe Base 2.1, 3.9
   */
  readonly keepAliveMs?: number
}

/** @internal With nothing left out but what depends on the controller. */
export interface HostSettings {
  readonly instance: number
  readonly ioQueues: number
  readonly pollQueues: number
  readonly queueDepth: number
  readonly maxSegments: number
  readonly maxBytes: number
  readonly sglThresholdBytes: number
  readonly sglOnly: boolean
  readonly smallDescriptors: number | null
  readonly pageDescriptors: number | null
  readonly maxRetries: number
  /** 0: none. */
  readonly ioTimeoutNs: number
  readonly adminTimeoutNs: number
  readonly shutdownTimeoutNs: number | null
  readonly watchNamespaces: boolean
  /** 0: none. */
  readonly keepAliveMs: number
}

/** Throws KernelError EINVAL naming value and bound. */
export function hostSettings(init: NvmeHostInit): HostSettings {
  return {
    instance: ranged('instance', init.instance ?? 0, 0, 65_535),
    ioQueues: ranged('ioQueues', init.ioQueues ?? 1, 1, 65_535),
    pollQueues: ranged('pollQueues', init.pollQueues ?? 0, 0, 65_534),
    queueDepth: ranged('queueDepth', init.queueDepth ?? 1023, 1, CID_TAG_MASK),
    maxSegments: ranged('maxSegments', init.maxSegments ?? NVME_MAX_SEGS, 1, 65_535),
    maxBytes: ranged('maxBytes', init.maxBytes ?? NVME_MAX_BYTES, 4096, 0x4000_0000),
    sglThresholdBytes: ranged(
      'sglThresholdBytes',
      init.sglThresholdBytes ?? 32_768,
      0,
      0xffff_ffff,
    ),
    sglOnly: init.sglOnly ?? false,
    smallDescriptors: optional('smallDescriptors', init.smallDescriptors),
    pageDescriptors: optional('pageDescriptors', init.pageDescriptors),
    maxRetries: ranged('maxRetries', init.maxRetries ?? 5, 0, 255),
    ioTimeoutNs: ranged('ioTimeoutNs', init.ioTimeoutNs ?? 0, 0, 1e15),
    adminTimeoutNs: ranged('adminTimeoutNs', init.adminTimeoutNs ?? 60e9, 1, 1e15),
    shutdownTimeoutNs: optional('shutdownTimeoutNs', init.shutdownTimeoutNs),
    watchNamespaces: init.watchNamespaces ?? true,
    keepAliveMs: ranged('keepAliveMs', init.keepAliveMs ?? 0, 0, 0xffff_ffff),
  }
}

function optional(name: string, value: number | undefined): number | null {
  return value === undefined ? null : ranged(name, value, 1, Number.MAX_SAFE_INTEGER)
}

function ranged(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value
  throw new KernelError(
    'EINVAL',
    `nvme host: ${name} is ${value}, but must be an integer from ${least} to ${most}`,
  )
}
