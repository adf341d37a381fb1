// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The data structures that Identify returns.

import {
  CQE_BYTES,
  CQES,
  CSI_NVM,
  FR_BYTES,
  IDENTIFY_BYTES,
  IdCtrl,
  IdNs,
  IdNsIndependent,
  MN_BYTES,
  Nidt,
  NSTAT_NRDY,
  SGLS_SUPPORTED,
  SN_BYTES,
  SQE_BYTES,
  SQES,
  setUint64,
  VERSION_2_1,
} from '../../spec/index.ts'

import type { FabricIdentity } from '../controller-init.ts'
import { COPY_LIMITS, FUSED_BLOCKS_MAX } from '../io/io-limits.ts'
import type { Namespace } from '../io/namespace.ts'
import { NAMESPACES_MAX } from '../namespaces-max.ts'
import { ATTACHED_NAMESPACE_NOTICES } from './async-events.ts'
import { ERROR_LOG_ENTRIES } from './error-log.ts'
import { KEEP_ALIVE_GRANULARITY } from './keep-alive.ts'
import { LBA_FORMATS, lbaFormatOf } from './lba-formats.ts'
import type { NamespaceNames } from './namespace-names.ts'

export interface ControllerIdentity {
  readonly controllerId: number
  readonly serialNumber: string
  readonly modelNumber: string
  readonly firmwareRevision: string
  readonly subsystemNqn: string
  /** MDTS: a power of two of pages of 4 KiB; 0 for no limit. */
  readonly mdts: number
  readonly sgl: boolean
  readonly asyncEvents: number
  readonly aborts: number
  /** Namespaces can be made, and where their blocks come from has room for so many bytes; 0: they cannot. */
  readonly totalBytes: number
  /** Null: on PCIe. */
  readonly fabric: FabricIdentity | null
  /** CRDT1 to CRDT3, in units of 100 ms. */
  readonly retryDelays: readonly number[]
}

/** ONCS: Compare, Write Uncorrectable, Dataset Management, Write Zeroes, saved features, Timestamp, Verify, Copy. */
const OPTIONAL_COMMANDS = 0b1_1101_1111
/** OACS. */
const FORMAT_NVM = 1 << 1
const NAMESPACE_MANAGEMENT = 1 << 3
const DOORBELL_BUFFER = 1 << 8
const GET_LBA_STATUS = 1 << 9
/** LPA: the page of commands and effects; dwords and offsets of 32 bits and more. */
const LOG_EFFECTS = 1 << 1
const LOG_EXTENDED = 1 << 2
/** CTRATT. */
const HOST_ID_OF_16_BYTES = 1
/** SGLS. */
const SGL_BIT_BUCKET = 1 << 16
const FUSED_COMPARE_AND_WRITE = 1
/** Formats 0h and 2h. */
const COPY_FORMATS = 0b101
/** DLFEAT: deallocated blocks read as zeros; Write Zeroes deallocates when asked to. */
const DEALLOCATED_READ_ZERO = 0b1001

const KELVIN_WARNING = 343
const KELVIN_CRITICAL = 353

/** @see NVMe Base 2.1, figure 312 */
export function identifyController(identity: ControllerIdentity, freeBytes: number): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES)
  const view = new DataView(bytes.buffer)
  putAscii(bytes, IdCtrl.SN, SN_BYTES, identity.serialNumber)
  putAscii(bytes, IdCtrl.MN, MN_BYTES, identity.modelNumber)
  putAscii(bytes, IdCtrl.FR, FR_BYTES, identity.firmwareRevision)
  view.setUint8(IdCtrl.MDTS, identity.mdts)
  view.setUint32(IdCtrl.VER, VERSION_2_1, true)
  view.setUint16(IdCtrl.CNTLID, identity.controllerId, true)
  view.setUint32(IdCtrl.OAES, ATTACHED_NAMESPACE_NOTICES, true)
  view.setUint32(IdCtrl.CTRATT, HOST_ID_OF_16_BYTES, true)
  view.setUint8(IdCtrl.CNTRLTYPE, 1)
  identity.retryDelays.forEach((units, i) => {
    view.setUint16(IdCtrl.CRDT1 + i * 2, units, true)
  })
  const manages = identity.totalBytes > 0 ? NAMESPACE_MANAGEMENT : 0
  view.setUint16(IdCtrl.OACS, FORMAT_NVM | DOORBELL_BUFFER | GET_LBA_STATUS | manages, true)
  view.setUint8(IdCtrl.LPA, LOG_EFFECTS | LOG_EXTENDED)
  setUint64(view, IdCtrl.TNVMCAP, identity.totalBytes)
  setUint64(view, IdCtrl.UNVMCAP, freeBytes)
  view.setUint16(IdCtrl.KAS, KEEP_ALIVE_GRANULARITY, true)
  view.setUint8(IdCtrl.ACL, identity.aborts - 1)
  view.setUint8(IdCtrl.AERL, identity.asyncEvents - 1)
  view.setUint8(IdCtrl.ELPE, ERROR_LOG_ENTRIES - 1)
  // One firmware slot, read only.
  view.setUint8(IdCtrl.FRMW, (1 << 1) | 1)
  view.setUint16(IdCtrl.WCTEMP, KELVIN_WARNING, true)
  view.setUint16(IdCtrl.CCTEMP, KELVIN_CRITICAL, true)
  view.setUint8(IdCtrl.SQES, (SQES << 4) | SQES)
  view.setUint8(IdCtrl.CQES, (CQES << 4) | CQES)
  view.setUint32(IdCtrl.NN, NAMESPACES_MAX, true)
  view.setUint16(IdCtrl.ONCS, OPTIONAL_COMMANDS, true)
  view.setUint16(IdCtrl.FUSES, FUSED_COMPARE_AND_WRITE, true)
  // A volatile write cache is present; a Flush of all namespaces at once is supported.
  view.setUint8(IdCtrl.VWC, 1 | (3 << 1))
  view.setUint16(IdCtrl.ACWU, FUSED_BLOCKS_MAX - 1, true)
  view.setUint16(IdCtrl.CDFS, COPY_FORMATS, true)
  view.setUint32(IdCtrl.SGLS, identity.sgl ? SGLS_SUPPORTED | SGL_BIT_BUCKET : 0, true)
  putText(bytes, IdCtrl.SUBNQN, identity.subsystemNqn)
  if (identity.fabric !== null) putFabric(view, identity.fabric, identity.sgl)
  return bytes
}

/** One data block descriptor a command: in the capsule, or of the transport. @see NVMe Base 2.1, figure 312 */
function putFabric(view: DataView, fabric: FabricIdentity, sgl: boolean): void {
  view.setUint16(IdCtrl.MAXCMD, fabric.commandsMax, true)
  const descriptors = SGL_OVERSIZE | SGL_IN_CAPSULE | SGL_TRANSPORT_DATA_BLOCK
  view.setUint32(IdCtrl.SGLS, (sgl ? SGLS_SUPPORTED : 0) | descriptors, true)
  view.setUint32(IdCtrl.IOCCSZ, (SQE_BYTES + fabric.inCapsuleBytes) / 16, true)
  view.setUint32(IdCtrl.IORCSZ, CQE_BYTES / 16, true)
  view.setUint16(IdCtrl.ICDOFF, 0, true)
  view.setUint8(IdCtrl.MSDBD, 1)
  if (fabric.discoveryLog !== undefined) view.setUint8(IdCtrl.CNTRLTYPE, DISCOVERY_CONTROLLER)
  view.setUint8(IdCtrl.CMIC, MANY_CONTROLLERS)
}

const SGL_OVERSIZE = 1 << 18
const SGL_IN_CAPSULE = 1 << 20
const DISCOVERY_CONTROLLER = 2
const SGL_TRANSPORT_DATA_BLOCK = 1 << 21
const MANY_CONTROLLERS = 1 << 1

/** @see NVM Command Set 1.1, figure 114 */
export function identifyNamespace(
  { blocks, blockBytes, deallocates }: Namespace,
  names: NamespaceNames,
): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES)
  const view = new DataView(bytes.buffer)
  setUint64(view, IdNs.NSZE, blocks)
  setUint64(view, IdNs.NCAP, blocks)
  setUint64(view, IdNs.NUSE, blocks)
  if (deallocates) view.setUint8(IdNs.DLFEAT, DEALLOCATED_READ_ZERO)
  view.setUint16(IdNs.MSSRL, COPY_LIMITS.rangeBlocks, true)
  view.setUint32(IdNs.MCL, COPY_LIMITS.blocks, true)
  view.setUint8(IdNs.MSRC, COPY_LIMITS.ranges - 1)
  view.setUint8(IdNs.FLBAS, lbaFormatOf(blockBytes))
  putFormats(view)
  setUint64(view, IdNs.NVMCAP, blocks * blockBytes)
  bytes.set(names.nguid, IdNs.NGUID)
  bytes.set(names.eui64, IdNs.EUI64)
  return bytes
}

function putFormats(view: DataView): void {
  view.setUint8(IdNs.NLBAF, LBA_FORMATS.length - 1)
  LBA_FORMATS.forEach((blockBytes, i) => {
    view.setUint8(IdNs.LBAF0 + i * 4 + 2, Math.log2(blockBytes))
  })
}

/** What is the same for all: the formats that a namespace can have, without a namespace. @see NVMe Base 2.1, 5.1.13.2.1 (NSID FFFFFFFFh) */
export function identifyAnyNamespace(): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES)
  const view = new DataView(bytes.buffer)
  putFormats(view)
  return bytes
}

/** @see NVMe Base 2.1, 5.1.13.2.8 */
export function identifyIndependent(): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES)
  bytes[IdNsIndependent.NSTAT] = NSTAT_NRDY
  return bytes
}

/** Namespace identification descriptors. @see NVMe Base 2.1, 5.1.13.2.4 */
export function identifyDescriptors({ eui64, nguid, uuid }: NamespaceNames): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES)
  let at = 0
  const put = (type: number, value: Uint8Array): void => {
    bytes[at] = type
    bytes[at + 1] = value.length
    bytes.set(value, at + DESCRIPTOR_HEAD_BYTES)
    at += DESCRIPTOR_HEAD_BYTES + value.length
  }
  put(Nidt.EUI64, eui64)
  put(Nidt.NGUID, nguid)
  put(Nidt.UUID, uuid)
  put(Nidt.CSI, new Uint8Array([CSI_NVM]))
  return bytes
}

const DESCRIPTOR_HEAD_BYTES = 4

/** The controllers of the subsystem from an identifier on: this one. @see NVMe Base 2.1, 5.1.13.2.13 */
export function identifyControllerList(ids: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, ids.length, true)
  ids.forEach((id, i) => {
    view.setUint16(2 + i * 2, id, true)
  })
  return bytes
}

/** One combination: the NVM command set. @see NVMe Base 2.1, 5.1.13.2.19 */
export function identifyCommandSets(): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES)
  bytes[0] = 1 << CSI_NVM
  return bytes
}

/** Active namespaces above `afterNsid`, in order. */
export function identifyActiveList(nsids: readonly number[], afterNsid: number): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES)
  const view = new DataView(bytes.buffer)
  nsids
    .filter((nsid) => nsid > afterNsid)
    .sort((a, b) => a - b)
    .slice(0, IDENTIFY_BYTES / 4)
    .forEach((nsid, index) => {
      view.setUint32(index * 4, nsid, true)
    })
  return bytes
}

/** ASCII, padded with spaces. */
function putAscii(bytes: Uint8Array, offset: number, length: number, text: string): void {
  for (let i = 0; i < length; i++)
    bytes[offset + i] = i < text.length ? text.charCodeAt(i) & 0x7f : 0x20
}

/** UTF-8, padded with zeros. */
function putText(bytes: Uint8Array, offset: number, text: string): void {
  bytes.set(new TextEncoder().encode(text), offset)
}
