// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess } from '@iolayers/dma-mapping'
import { Status } from '../spec/index.ts'
import type { CommandSlot } from './command-slot.ts'
import type { Controller } from './nvme-controller.ts'

/** Reads from host memory what a command brings along, all of it at once: for lists and structures. A status where it cannot be reached. */
export function receiveData(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
  lengthBytes: number,
): Uint8Array<ArrayBuffer> | number {
  const { io } = slot
  const status = controller.dataPointer.resolve(view, at, lengthBytes, BusAccess.READ, io)
  if (status !== Status.SUCCESS) return status
  const data = new Uint8Array(lengthBytes)
  let done = 0
  for (let i = 0; i < io.count; i++) {
    const offset = io.offsets[i] ?? 0
    const length = io.lengths[i] ?? 0
    const side = io.sides[i]
    if (side !== undefined) data.set(side.bytes.subarray(offset, offset + length), done)
    done += length
  }
  return data
}
