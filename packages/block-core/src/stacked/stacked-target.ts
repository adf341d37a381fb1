// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Where sectors of a stacked disk lie. Made once and filled in for each bio. */
export class StackedPlace {
  /** Which of the lower disks. */
  lower: number
  /** On the lower disk. */
  sector: number
  /** How many lie there in one piece; 0: none. */
  sectors: number

  constructor() {
    this.lower = 0
    this.sector = 0
    this.sectors = 0
  }
}

/**
 * The arithmetic of a stacked disk: which sector lies where. No I/O. Sectors are of 512 bytes; pieces begin and end at multiples of
 * the logical block.
 * @see include/linux/device-mapper.h struct target_type map
 */
export interface StackedTarget {
  /** Where a sector of the disk lies, and how many from it on lie there one after the other. */
  mapSector(sector: number, place: StackedPlace): void
  /**
   * What one lower disk, `place.lower`, has of a range, which has to be one piece there. For discards and zeroes: one bio each for
   * a range that reaches over the disks many times. Left out, these are cut like reads and writes.
   * @see drivers/md/dm-stripe.c stripe_map_range
   */
  mapRange?(sector: number, sectors: number, place: StackedPlace): void
}
