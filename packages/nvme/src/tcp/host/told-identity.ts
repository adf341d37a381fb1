// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { IDENTIFY_BYTES, IdCtrl } from '../../spec/index.ts'
import type { RequestMemory } from './link-request.ts'

const SGLS_ANY_ALIGNMENT = 1
const OACS_DOORBELL_BUFFER = 1 << 8
const OACS_VIRTUALIZATION = 1 << 7
const PAGE_SHIFT = 12

/**
 * Identify Controller as the driver is to see it, in its own memory: what concerns the way to the controller is that of the rings here, and not of the fabric.
 * `minPageShift`: of the controller, whose MDTS counts in pages of that size; `maxShift`: what one command moves at most here.
 */
export function tellIdentity(memory: RequestMemory, minPageShift: number, maxShift: number): void {
  if (memory.lengthBytes < IDENTIFY_BYTES) return
  const data = new Uint8Array(IDENTIFY_BYTES)
  let done = 0
  for (const part of memory.parts(0, IDENTIFY_BYTES)) {
    data.set(part, done)
    done += part.length
  }
  const view = new DataView(data.buffer)
  view.setUint32(IdCtrl.SGLS, SGLS_ANY_ALIGNMENT, true)
  const oacs = view.getUint16(IdCtrl.OACS, true)
  view.setUint16(IdCtrl.OACS, oacs & ~(OACS_DOORBELL_BUFFER | OACS_VIRTUALIZATION), true)
  const mdts = view.getUint8(IdCtrl.MDTS)
  const shift = mdts === 0 ? maxShift : Math.min(maxShift, mdts + minPageShift)
  view.setUint8(IdCtrl.MDTS, shift - PAGE_SHIFT)
  memory.put(0, data)
}
