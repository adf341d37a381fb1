// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk } from '@iolayers/block-core'
import { KernelError, type Op } from '@iolayers/kernel'
import type { NvmeHost } from '@iolayers/nvme/host'
import { AdminOpcode, Cns, IDENTIFY_BYTES } from '@iolayers/nvme/spec'
import { nsidOf } from '../nvme/nsid-of.ts'
import type { RemoteAddress } from './address.ts'

const NIDT_UUID = 3
const UUID_BYTES = 16
const HEADER_BYTES = 4

/** The disk that an address means. Throws KernelError ENOENT where there is none, EINVAL where there are several and it names none. */
export function* findNamespace(host: NvmeHost, { nid, text }: RemoteAddress): Op<Disk> {
  const { disks } = host
  if (nid === null) {
    const [only, ...others] = disks
    if (only === undefined) throw new KernelError('ENOENT', `${text} has no namespace`)
    if (others.length === 0) return only
    const names = disks.map((disk) => nsidOf(disk)).join(', ')
    throw new KernelError(
      'EINVAL',
      `${text} has several namespaces (${names}); say which: ${text}/NID`,
    )
  }
  for (const disk of disks) {
    if (typeof nid === 'number' ? nsidOf(disk) === nid : (yield* uuidOf(host, disk)) === nid)
      return disk
  }
  throw new KernelError('ENOENT', `${text}: there is no such namespace`)
}

/** Null: it has none. @see NVMe Base 2.1, 5.1.13.2.3 (Namespace Identification Descriptor list) */
function* uuidOf(host: NvmeHost, disk: Disk): Op<string | null> {
  const dataIn = new Uint8Array(IDENTIFY_BYTES)
  const { status } = yield* host.adminPassthru({
    opcode: AdminOpcode.IDENTIFY,
    nsid: nsidOf(disk),
    cdw10: Cns.NAMESPACE_DESCRIPTORS,
    dataIn,
  })
  if (status !== 0) return null
  for (let at = 0; at + HEADER_BYTES < dataIn.length; ) {
    const type = dataIn[at] ?? 0
    const length = dataIn[at + 1] ?? 0
    if (type === 0 || length === 0) return null
    const value = dataIn.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)
    if (type === NIDT_UUID && length === UUID_BYTES) return asUuid(value)
    at += HEADER_BYTES + length
  }
  return null
}

function asUuid(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
