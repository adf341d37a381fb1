// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'

/** @see include/uapi/linux/ioprio.h IOPRIO_CLASS_* */
export const IoprioClass = { NONE: 0, RT: 1, BE: 2, IDLE: 3 } as const
export type IoprioClass = (typeof IoprioClass)[keyof typeof IoprioClass]

const IOPRIO_CLASS_SHIFT = 13
const IOPRIO_NR_LEVELS = 8

/** The priority of a class and a level, 0 the most urgent of 8. Throws KernelError EINVAL. @see include/uapi/linux/ioprio.h IOPRIO_PRIO_VALUE */
export function ioprioValue(ioClass: IoprioClass, level = 0): number {
  if (Number.isInteger(level) && level >= 0 && level < IOPRIO_NR_LEVELS) {
    return (ioClass << IOPRIO_CLASS_SHIFT) | level
  }
  throw new KernelError(
    'EINVAL',
    `ioprio: level is ${level}, but must be from 0 to ${IOPRIO_NR_LEVELS - 1}`,
  )
}

/** The class bits of a priority; what they say may be no class. @see include/uapi/linux/ioprio.h IOPRIO_PRIO_CLASS */
export function ioprioClass(ioprio: number): number {
  return (ioprio >> IOPRIO_CLASS_SHIFT) & 7
}
