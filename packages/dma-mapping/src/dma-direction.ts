// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * Which way data moves, seen from the device's owner.
 * @see include/linux/dma-direction.h enum dma_data_direction
 */
export const DmaDirection = {
  BIDIRECTIONAL: 0,
  TO_DEVICE: 1,
  FROM_DEVICE: 2,
  NONE: 3,
} as const
export type DmaDirection = (typeof DmaDirection)[keyof typeof DmaDirection]

const names = ['BIDIRECTIONAL', 'TO_DEVICE', 'FROM_DEVICE', 'NONE'] as const

/** The kernel's name of a direction, for messages and traces. */
export function dmaDirectionName(direction: DmaDirection): string {
  return names[direction]
}

/** True for the three directions in which data can move. @see include/linux/dma-mapping.h valid_dma_direction */
export function validDmaDirection(direction: DmaDirection): boolean {
  return direction >= DmaDirection.BIDIRECTIONAL && direction <= DmaDirection.FROM_DEVICE
}
