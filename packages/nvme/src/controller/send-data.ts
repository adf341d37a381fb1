// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess } from '@iolayers/dma-mapping'
import { Status } from '../spec/index.ts'
import type { CommandSlot } from './command-slot.ts'
import type { Controller } from './nvme-controller.ts'

/** Writes to host memory what a command returns. */
export function sendData(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
  data: Uint8Array,
): number {
  const { io } = slot
  const status = controller.dataPointer.resolve(view, at, data.length, BusAccess.WRITE, io)
  if (status !== Status.SUCCESS) return status
  let done = 0
  for (let i = 0; i < io.count; i++) {
    const length = io.lengths[i] ?? 0
    io.sides[i]?.bytes.set(data.subarray(done, done + length), io.offsets[i] ?? 0)
    done += length
  }
  return Status.SUCCESS
}
