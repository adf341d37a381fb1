// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { AdminOpcode } from '../../spec/index.ts'
import type { AdminQueue } from '../admin/admin-queue.ts'

const IDENTIFY_SIZE = 4096
/** Controller or Namespace Structure. @see NVMe base specification 2.0, figure 273 */
const CNS_NAMESPACE = 0x00
const CNS_CONTROLLER = 0x01
const CNS_ACTIVE_NAMESPACES = 0x02
const IDS_PER_LIST = 1024

/** What the host takes from Identify Controller. */
export interface IdentifyController {
  readonly serialNumber: string
  readonly modelNumber: string
  readonly firmwareRevision: string
  readonly controllerId: number
  /** Largest transfer as a power of two of the smallest page; 0: no bound. */
  readonly mdts: number
  /** Bits 1:0: 0 no SGL, 1 any alignment, 2 dwords; bits 15:8: recommended number of descriptors, 0: none said. */
  readonly sgls: number
  /** Bit 0: a volatile write cache is there. */
  readonly vwc: number
  /** Atomic Write Unit Power Fail in logical blocks, 0's based. */
  readonly awupf: number
  /** Microseconds that a shutdown may take; 0: not said. */
  readonly rtd3eUs: number
}

/** What the host takes from Identify Namespace. */
export interface IdentifyNamespace {
  readonly nsid: number
  /** Logical blocks. */
  readonly nsze: number
  readonly lbaShift: number
  /** Bytes of metadata of a logical block. */
  readonly metadataSizeBytes: number
  readonly writeProtected: boolean
}

export function* identifyController(admin: AdminQueue): Op<IdentifyController> {
  const data = new Uint8Array(IDENTIFY_SIZE)
  const command = { opcode: AdminOpcode.IDENTIFY, cdw10: CNS_CONTROLLER, dataIn: data }
  yield* admin.executeOrThrow('identify controller', command)
  return parseIdentifyController(data)
}

/** In ascending order. */
export function* activeNamespaces(admin: AdminQueue): Op<number[]> {
  const ids: number[] = []
  const data = new Uint8Array(IDENTIFY_SIZE)
  const view = new DataView(data.buffer)
  for (;;) {
    const nsid = ids.at(-1) ?? 0
    const command = {
      opcode: AdminOpcode.IDENTIFY,
      nsid,
      cdw10: CNS_ACTIVE_NAMESPACES,
      dataIn: data,
    }
    yield* admin.executeOrThrow('active namespaces', command)
    for (let i = 0; i < IDS_PER_LIST; i++) {
      const id = view.getUint32(i * 4, true)
      // The list is in ascending order and ends with 0; anything else would go on for ever.
      if (id <= (ids.at(-1) ?? 0)) return ids
      ids.push(id)
    }
  }
}

export function* identifyNamespace(admin: AdminQueue, nsid: number): Op<IdentifyNamespace> {
  const data = new Uint8Array(IDENTIFY_SIZE)
  const command = { opcode: AdminOpcode.IDENTIFY, nsid, cdw10: CNS_NAMESPACE, dataIn: data }
  yield* admin.executeOrThrow(`identify namespace ${nsid}`, command)
  return parseIdentifyNamespace(nsid, data)
}

/** @see NVMe base specification 2.0, figure 275 */
export function parseIdentifyController(data: Uint8Array): IdentifyController {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  return {
    serialNumber: text(data, 4, 20),
    modelNumber: text(data, 24, 40),
    firmwareRevision: text(data, 64, 8),
    mdts: view.getUint8(77),
    controllerId: view.getUint16(78, true),
    rtd3eUs: view.getUint32(88, true),
    vwc: view.getUint8(525),
    awupf: view.getUint16(528, true),
    sgls: view.getUint32(536, true),
  }
}

/** @see NVM command set specification 1.0, figure 97 */
export function parseIdentifyNamespace(nsid: number, data: Uint8Array): IdentifyNamespace {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const flbas = view.getUint8(26)
  // With more than 16 formats the index has two bits more.
  const manyFormats = view.getUint8(25) > 15
  const index = (flbas & 0xf) | (manyFormats ? ((flbas >>> 5) & 3) << 4 : 0)
  const lbaf = view.getUint32(128 + index * 4, true)
  return {
    nsid,
    nsze: view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000,
    lbaShift: (lbaf >>> 16) & 0xff,
    metadataSizeBytes: lbaf & 0xffff,
    writeProtected: (view.getUint8(99) & 1) !== 0,
  }
}

function text(data: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...data.subarray(offset, offset + length)).trimEnd()
}
