// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * State of a bio that is no part of its operation word. ISSUED is ours: a driver took a fragment of it.
 * @see include/linux/blk_types.h BIO_*
 */
export const BioFlag = {
  CLONED: 0x2,
  QUIET: 0x8,
  CHAIN: 0x10,
  ISSUED: 0x1_0000,
} as const
export type BioFlag = (typeof BioFlag)[keyof typeof BioFlag]

/** Only looks: takes a read-only bio. @see include/linux/bio.h bio_flagged */
export function bioFlagged(bio: { readonly biFlags: number }, flag: BioFlag): boolean {
  return (bio.biFlags & flag) !== 0
}

export function bioSetFlag(bio: { biFlags: number }, flag: BioFlag): void {
  bio.biFlags |= flag
}

export function bioClearFlag(bio: { biFlags: number }, flag: BioFlag): void {
  bio.biFlags &= ~flag
}
