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
  identifyController,
  identifyDescriptors,
  identifyIndependent,
  identifyNamespace,
} from './identify-data.ts'

/** @see NVMe Base 2.1, 5.1.13 */
export function identify(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const data = identifyData(
    controller,
    view.getUint8(at + SqeOffset.CDW10),
    view.getUint32(at + SqeOffset.NSID, true),
    view.getUint8(at + SqeOffset.CDW11 + 3),
  )
  return typeof data === 'number' ? data : sendData(controller, slot, view, at, data)
}

/** The structure that is asked for, or the status of the refusal. */
function identifyData(
  controller: Controller,
  cns: number,
  nsid: number,
  csi: number,
): Uint8Array | number {
  switch (cns) {
    case Cns.CONTROLLER:
      return identifyController(controller.toldIdentity)
    case Cns.CSI_CONTROLLER:
      // Limits of commands of the NVM command set that are not there: all zero.
      return csi === CSI_NVM ? new Uint8Array(IDENTIFY_BYTES) : INVALID_FIELD
    case Cns.ACTIVE_NAMESPACE_LIST:
      if (nsid >= 0xffff_fffe) return INVALID_NAMESPACE
      return identifyActiveList([...controller.namespaces.keys()], nsid)
    case Cns.NAMESPACE_DESCRIPTORS:
      return controller.namespaces.has(nsid) ? identifyDescriptors(nsid) : INVALID_NAMESPACE
    case Cns.NAMESPACE:
    case Cns.CSI_NAMESPACE:
    case Cns.CSI_INDEPENDENT_NAMESPACE:
      return identifyOneNamespace(controller, cns, nsid, csi)
    default:
      return INVALID_FIELD
  }
}

/** A namespace that could be there and is not is all zero. */
function identifyOneNamespace(
  controller: Controller,
  cns: number,
  nsid: number,
  csi: number,
): Uint8Array | number {
  if (cns === Cns.CSI_NAMESPACE && csi !== CSI_NVM) return INVALID_FIELD
  if (nsid === 0 || (nsid > NAMESPACES_MAX && nsid !== NSID_BROADCAST)) return INVALID_NAMESPACE
  const namespace = controller.namespaces.get(nsid)
  if (namespace === undefined || cns === Cns.CSI_NAMESPACE) return new Uint8Array(IDENTIFY_BYTES)
  if (cns === Cns.CSI_INDEPENDENT_NAMESPACE) return identifyIndependent()
  return identifyNamespace(namespace, nsid)
}
