// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import {
  AdminOpcode,
  Cns,
  FR_BYTES,
  getUint64,
  IDENTIFY_BYTES,
  IdCtrl,
  IdCtrlNvmLayout,
  IdNs,
  MN_BYTES,
  SN_BYTES,
} from '../../spec/index.ts'
import type { AdminQueue } from '../admin/admin-queue.ts'

const IDS_PER_LIST = 1024
const CRDT_UNIT_NS = 100e6
/** DLFEAT: zeros are read, and Write Zeroes can deallocate. */
const DLFEAT_MASK = 0b1111
const DLFEAT_ZEROS_DEAC = 0b1001

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
  /** Abort Command Limit: Abort commands that it takes at once, 0's based. */
  readonly acl: number
  /** Microseconds that a shutdown may take; 0: not said. */
  readonly rtd3eUs: number
  /** Optional Asynchronous Events Supported. */
  readonly oaes: number
  /** Optional NVM Command Support. */
  readonly oncs: number
  /** CRDT1 to CRDT3: what a status with a Command Retry Delay of 1 to 3 asks for. */
  readonly retryDelaysNs: readonly number[]
}

/** What the host takes from Identify Controller of the NVM command set. 0: no bound. */
export interface IdentifyNvmController {
  /** Largest Write Zeroes as a power of two of the smallest page; 0: as MDTS. */
  readonly wzsl: number
  /** Ranges, blocks of a range, and blocks of all ranges of a Dataset Management command. */
  readonly dmrl: number
  readonly dmrsl: number
  readonly dmsl: number
}

/** What the host takes from Identify Namespace. */
export interface IdentifyNamespace {
  readonly nsid: number
  /** Logical blocks. */
  readonly nsze: number
  /** Logical blocks that can be allocated; 0: there is no such namespace (any more). */
  readonly ncap: number
  /** NGUID and EUI-64 in hexadecimal; zeros where there is none. */
  readonly identity: string
  readonly lbaShift: number
  /** Bytes of metadata of a logical block. */
  readonly metadataSizeBytes: number
  readonly writeProtected: boolean
  /** Write Zeroes may deallocate: what is deallocated reads as zeros. */
  readonly deallocatesZeroes: boolean
}

export function* identifyController(admin: AdminQueue): Op<IdentifyController> {
  const data = new Uint8Array(IDENTIFY_BYTES)
  const command = { opcode: AdminOpcode.IDENTIFY, cdw10: Cns.CONTROLLER, dataIn: data }
  yield* admin.executeOrThrow('identify controller', command)
  return parseIdentifyController(data)
}

const ONCS_DSM = 1 << 2
const ONCS_WRITE_ZEROES = 1 << 3
const NO_BOUNDS: IdentifyNvmController = { wzsl: 0, dmrl: 0, dmrsl: 0, dmsl: 0 }

export function hasDatasetManagement(id: IdentifyController): boolean {
  return (id.oncs & ONCS_DSM) !== 0
}

export function hasWriteZeroes(id: IdentifyController): boolean {
  return (id.oncs & ONCS_WRITE_ZEROES) !== 0
}

/**
 * Bounds of the commands that MDTS says nothing of. A controller that has no such commands is not asked; one that does not know the question has no bounds.
 * @see drivers/nvme/host/core.c nvme_init_non_mdts_limits; NVM Command Set 1.1, figure 120
 */
export function* identifyNvmController(
  admin: AdminQueue,
  id: IdentifyController,
): Op<IdentifyNvmController> {
  if (!hasDatasetManagement(id) && !hasWriteZeroes(id)) return NO_BOUNDS
  const data = new Uint8Array(IDENTIFY_BYTES)
  const command = { opcode: AdminOpcode.IDENTIFY, cdw10: Cns.CSI_CONTROLLER, dataIn: data }
  const { status } = yield* admin.execute(command)
  if (status !== 0) return NO_BOUNDS
  const view = new DataView(data.buffer)
  const { WZSL, DMRL, DMRSL, DMSL } = IdCtrlNvmLayout.fields
  return {
    wzsl: view.getUint8(WZSL.at),
    dmrl: view.getUint8(DMRL.at),
    dmrsl: view.getUint32(DMRSL.at, true),
    dmsl: getUint64(view, DMSL.at),
  }
}

/** In ascending order. */
export function* activeNamespaces(admin: AdminQueue): Op<number[]> {
  const ids: number[] = []
  const data = new Uint8Array(IDENTIFY_BYTES)
  const view = new DataView(data.buffer)
  for (;;) {
    const nsid = ids.at(-1) ?? 0
    const command = {
      opcode: AdminOpcode.IDENTIFY,
      nsid,
      cdw10: Cns.ACTIVE_NAMESPACE_LIST,
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
  const data = new Uint8Array(IDENTIFY_BYTES)
  const command = { opcode: AdminOpcode.IDENTIFY, nsid, cdw10: Cns.NAMESPACE, dataIn: data }
  yield* admin.executeOrThrow(`identify namespace ${nsid}`, command)
  return parseIdentifyNamespace(nsid, data)
}

/** @see NVMe Base 2.1, figure 312 */
export function parseIdentifyController(data: Uint8Array): IdentifyController {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  return {
    serialNumber: text(data, IdCtrl.SN, SN_BYTES),
    modelNumber: text(data, IdCtrl.MN, MN_BYTES),
    firmwareRevision: text(data, IdCtrl.FR, FR_BYTES),
    mdts: view.getUint8(IdCtrl.MDTS),
    controllerId: view.getUint16(IdCtrl.CNTLID, true),
    rtd3eUs: view.getUint32(IdCtrl.RTD3E, true),
    oaes: view.getUint32(IdCtrl.OAES, true),
    oncs: view.getUint16(IdCtrl.ONCS, true),
    retryDelaysNs: [IdCtrl.CRDT1, IdCtrl.CRDT2, IdCtrl.CRDT3].map(
      (at) => view.getUint16(at, true) * CRDT_UNIT_NS,
    ),
    acl: view.getUint8(IdCtrl.ACL),
    vwc: view.getUint8(IdCtrl.VWC),
    awupf: view.getUint16(IdCtrl.AWUPF, true),
    sgls: view.getUint32(IdCtrl.SGLS, true),
  }
}

/** @see NVM Command Set 1.1, figure 114 */
export function parseIdentifyNamespace(nsid: number, data: Uint8Array): IdentifyNamespace {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const flbas = view.getUint8(IdNs.FLBAS)
  // With more than 16 formats the index has two bits more.
  const manyFormats = view.getUint8(IdNs.NLBAF) > 15
  const index = (flbas & 0xf) | (manyFormats ? ((flbas >>> 5) & 3) << 4 : 0)
  const lbaf = view.getUint32(IdNs.LBAF0 + index * 4, true)
  return {
    nsid,
    nsze: getUint64(view, IdNs.NSZE),
    ncap: getUint64(view, IdNs.NCAP),
    identity: hex(data.subarray(IdNs.NGUID, IdNs.LBAF0)),
    lbaShift: (lbaf >>> 16) & 0xff,
    metadataSizeBytes: lbaf & 0xffff,
    deallocatesZeroes: (view.getUint8(IdNs.DLFEAT) & DLFEAT_MASK) === DLFEAT_ZEROS_DEAC,
    writeProtected: (view.getUint8(IdNs.NSATTR) & 1) !== 0,
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function text(data: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...data.subarray(offset, offset + length)).trimEnd()
}
