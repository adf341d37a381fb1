// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Bits 1:0 of an opcode. @see NVMe Base 2.1, 4.2.1 (opcodes) */
export const Direction = { NONE: 0, TO_CONTROLLER: 1, FROM_CONTROLLER: 2, BOTH: 3 } as const
export type Direction = (typeof Direction)[keyof typeof Direction]
