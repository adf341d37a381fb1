// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getUint64, SqeOffset } from '../../spec/index.ts'

const PHYSICALLY_CONTIGUOUS = 1
const INTERRUPTS_ENABLED = 2

/** What a Create I/O Queue command says. @see NVMe Base 2.1, 5.2.1, 5.2.2 */
export interface QueueEntry {
  readonly id: number
  readonly entries: number
  readonly baseAddr: number
  readonly isContiguous: boolean
  /** Of a completion queue. */
  readonly interruptsEnabled: boolean
  /** QPRIO of a submission queue. */
  readonly priority: number
  /** The vector of a completion queue; the completion queue of a submission queue. */
  readonly other: number
}

/** The entry at `at`. */
export function queueEntryOf(view: DataView, at: number): QueueEntry {
  const flags = view.getUint16(at + SqeOffset.CDW11, true)
  return {
    id: queueIdOf(view, at),
    entries: view.getUint16(at + SqeOffset.CDW10 + 2, true) + 1,
    baseAddr: getUint64(view, at + SqeOffset.PRP1),
    isContiguous: (flags & PHYSICALLY_CONTIGUOUS) !== 0,
    interruptsEnabled: (flags & INTERRUPTS_ENABLED) !== 0,
    priority: (flags >>> 1) & 3,
    other: view.getUint16(at + SqeOffset.CDW11 + 2, true),
  }
}

/** Also of the commands that delete a queue. */
export function queueIdOf(view: DataView, at: number): number {
  return view.getUint16(at + SqeOffset.CDW10, true)
}
