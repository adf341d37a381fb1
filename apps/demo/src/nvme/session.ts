// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import {
  type AdminCommand,
  type AdminResult,
  type IoCommand,
  type NvmeHost,
  nvmeStatusText,
} from '@iolayers/nvme/host'
import { statusName } from '@iolayers/nvme/spec'
import { RefusedError } from '../cli/failure.ts'
import { nsidOf } from './nsid-of.ts'

/** What a command has of the controller. */
export interface NvmeSession {
  /** The disk's name, as nvme-cli would name the device. */
  readonly device: string
  /** Throws RefusedError, exit 1, with the words of the status where the controller refuses. */
  admin(what: string, command: AdminCommand): Op<number>
  /** The same, with the data that comes back. */
  read(what: string, command: AdminCommand, lengthBytes: number): Op<Uint8Array>
  /** A command on an I/O queue; the rest as `admin`. */
  io(what: string, nsid: number, command: IoCommand): Op<number>
  /** Bytes of a logical block. Throws RefusedError where there is no disk of the namespace. */
  blockBytes(nsid: number): number
  /** Looks for namespaces again, and returns the names of their disks. */
  rescan(): Op<readonly string[]>
  reset(): Op<void>
  register32(offset: number): number
  register64(offset: number): bigint
}

/** What a command has of a host that is live. */
export function sessionOf(
  host: NvmeHost,
  device: string,
  registers: Pick<NvmeSession, 'register32' | 'register64'>,
): NvmeSession {
  return {
    ...registers,
    device,
    *admin(what, command) {
      return checked(what, yield* host.adminPassthru(command)).result
    },
    *read(what, command, lengthBytes) {
      const dataIn = new Uint8Array(lengthBytes)
      checked(what, yield* host.adminPassthru({ ...command, dataIn }))
      return dataIn
    },
    *io(what, nsid, command) {
      return checked(what, yield* host.ioPassthru(nsid, command)).result
    },
    blockBytes(nsid) {
      const disk = host.disks.find((one) => nsidOf(one) === nsid)
      if (disk === undefined) throw new RefusedError(`there is no namespace ${nsid}`)
      return disk.limits.logicalBlockSizeBytes
    },
    *rescan() {
      yield* host.rescan()
      return host.disks.map(({ name }) => name)
    },
    reset: () => host.reset(),
  }
}

function checked(what: string, result: AdminResult): AdminResult {
  if (result.status === 0) return result
  const { status } = result
  throw new RefusedError(`${what}: ${statusName(status)} (${nvmeStatusText(status)})`)
}
