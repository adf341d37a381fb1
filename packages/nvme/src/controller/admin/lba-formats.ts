// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Bytes of a block in each LBA format. No format has metadata. */
export const LBA_FORMATS: readonly (512 | 4096)[] = [512, 4096]

export function lbaFormatOf(blockBytes: 512 | 4096): number {
  return LBA_FORMATS.indexOf(blockBytes)
}
