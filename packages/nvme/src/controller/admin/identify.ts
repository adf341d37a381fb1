// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Cns, CSI_NVM, IDENTIFY_BYTES, NSID_BROADCAST, SqeOffset } from '../../spec/index.ts'
import { INVALID_FIELD, INVALID_NAMESPACE } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { NAMESPACES_MAX } from '../namespaces-max.ts'
import type { Controller } from '../nvme-controller.ts'
import { sendData } from '../send-data.ts'
import {
  identifyActiveList,
  identifyAnyNamespace,
  identifyCommandSets,
  identifyController,
  identifyControllerList,
  identifyDescriptors,
  identifyIndependent,
  identifyNamespace,
} from './identify-data.ts'
import { namesOf } from './namespace-names.ts'

/** Higher ones are reserved in lists that begin after a namespace. */
const NSID_LIST_MAX = 0xffff_fffd

interface Asked {
  readonly cns: number
  readonly nsid: number
  readonly csi: number
  readonly controllerId: number
}

/** @see NVMe Base 2.1, 5.1.13 */
export function identify(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const data = identifyData(controller, {
    cns: view.getUint8(at + SqeOffset.CDW10),
    nsid: view.getUint32(at + SqeOffset.NSID, true),
    csi: view.getUint8(at + SqeOffset.CDW11 + 3),
    controllerId: view.getUint16(at + SqeOffset.CDW10 + 2, true),
  })
  if (typeof data !== 'number') return sendData(controller, slot, view, at, data)
  slot.errorAt = data === INVALID_NAMESPACE ? SqeOffset.NSID : SqeOffset.CDW10
  return data
}

/** The structure that is asked for, or the status of the refusal. */
function identifyData(controller: Controller, asked: Asked): Uint8Array | number {
  if (OF_A_COMMAND_SET.has(asked.cns) && asked.csi !== CSI_NVM) return INVALID_FIELD
  switch (asked.cns) {
    case Cns.CONTROLLER:
      return identifyController(controller.toldIdentity, controller.table.freeBytes)
    case Cns.CSI_CONTROLLER:
      // Limits of commands of the NVM command set that are not there: all zero.
      return new Uint8Array(IDENTIFY_BYTES)
    case Cns.IO_COMMAND_SETS:
      return identifyCommandSets()
    case Cns.CONTROLLER_LIST:
    case Cns.NAMESPACE_CONTROLLER_LIST:
      return controllerList(controller, asked)
    case Cns.ACTIVE_NAMESPACE_LIST:
    case Cns.CSI_ACTIVE_NAMESPACE_LIST:
      return namespaceList(controller.table.attachedIds, asked.nsid)
    case Cns.ALLOCATED_NAMESPACE_LIST:
    case Cns.CSI_ALLOCATED_NAMESPACE_LIST:
      return namespaceList(controller.table.allocatedIds, asked.nsid)
    default:
      return identifyOneNamespace(controller, asked)
  }
}

const OF_A_COMMAND_SET: ReadonlySet<number> = new Set([
  Cns.CSI_CONTROLLER,
  Cns.CSI_ACTIVE_NAMESPACE_LIST,
  Cns.CSI_ALLOCATED_NAMESPACE_LIST,
  Cns.CSI_NAMESPACE,
  Cns.CSI_ALLOCATED_NAMESPACE,
])

function namespaceList(nsids: readonly number[], after: number): Uint8Array | number {
  return after > NSID_LIST_MAX ? INVALID_NAMESPACE : identifyActiveList(nsids, after)
}

function controllerList(controller: Controller, asked: Asked): Uint8Array | number {
  const { cns, nsid, controllerId } = asked
  const all = cns === Cns.CONTROLLER_LIST
  if (!all && !validNsid(nsid)) return INVALID_NAMESPACE
  const { controllerId: ours } = controller.identity
  const counts = controllerId <= ours && (all || controller.table.isAttached(nsid))
  return identifyControllerList(counts ? [ours] : [])
}

function validNsid(nsid: number): boolean {
  return nsid > 0 && nsid <= NAMESPACES_MAX
}

/** A namespace that could be there and is not is all zero. */
function identifyOneNamespace(controller: Controller, { cns, nsid }: Asked): Uint8Array | number {
  if (!OF_A_NAMESPACE.has(cns)) return INVALID_FIELD
  const { table, identity } = controller
  if (nsid === NSID_BROADCAST && cns === Cns.NAMESPACE) return identifyAnyNamespace()
  if (!validNsid(nsid)) return INVALID_NAMESPACE
  const allocated = cns === Cns.ALLOCATED_NAMESPACE || cns === Cns.CSI_ALLOCATED_NAMESPACE
  const there = allocated || table.isAttached(nsid)
  const namespace = there ? table.allocatedNamespace(nsid) : null
  if (cns === Cns.NAMESPACE_DESCRIPTORS) {
    return namespace === null
      ? INVALID_NAMESPACE
      : identifyDescriptors(namesOf(identity.serialNumber, nsid))
  }
  // Of the NVM command set: limits and formats of protection information, of which there are none.
  const empty =
    namespace === null || cns === Cns.CSI_NAMESPACE || cns === Cns.CSI_ALLOCATED_NAMESPACE
  if (empty) return new Uint8Array(IDENTIFY_BYTES)
  if (cns === Cns.CSI_INDEPENDENT_NAMESPACE) return identifyIndependent()
  return identifyNamespace(namespace, namesOf(identity.serialNumber, nsid))
}

const OF_A_NAMESPACE: ReadonlySet<number> = new Set([
  Cns.NAMESPACE,
  Cns.NAMESPACE_DESCRIPTORS,
  Cns.CSI_NAMESPACE,
  Cns.CSI_INDEPENDENT_NAMESPACE,
  Cns.ALLOCATED_NAMESPACE,
  Cns.CSI_ALLOCATED_NAMESPACE,
])
