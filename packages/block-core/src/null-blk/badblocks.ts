// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'

/** @see include/linux/badblocks.h MAX_BADBLOCKS */
const MAX_BADBLOCKS = 512

export interface BadRange {
  readonly start: number
  readonly sectors: number
}

const SETTING = /^([+-])(\d+)-(\d+)$/

/**
 * Sectors that fail, as sorted ranges that do not touch. Unlike the kernel's, a range may be of any length.
 * @see block/badblocks.c
 */
export class Badblocks {
  #ranges: readonly BadRange[]

  constructor() {
    this.#ranges = []
  }

  get ranges(): readonly BadRange[] {
    return this.#ranges
  }

  /** The first range that has one of these sectors, all of it; null where all are good. @see badblocks_check */
  check(start: number, sectors: number): BadRange | null {
    for (const range of this.#ranges) {
      if (range.start >= start + sectors) break
      if (range.start + range.sectors > start) return range
    }
    return null
  }

  /** Throws KernelError ENOSPC where there are too many ranges. @see badblocks_set */
  set(start: number, sectors: number): void {
    let first = start
    let end = start + sectors
    const others: BadRange[] = []
    for (const range of this.#ranges) {
      const rangeEnd = range.start + range.sectors
      if (rangeEnd < first || range.start > end) {
        others.push(range)
        continue
      }
      first = Math.min(first, range.start)
      end = Math.max(end, rangeEnd)
    }
    this.#take([...others, { start: first, sectors: end - first }])
  }

  /** Throws KernelError ENOSPC where what is left are too many ranges. @see badblocks_clear */
  clear(start: number, sectors: number): void {
    const end = start + sectors
    const left: BadRange[] = []
    for (const range of this.#ranges) {
      const rangeEnd = range.start + range.sectors
      const before = Math.min(rangeEnd, start) - range.start
      const after = rangeEnd - Math.max(range.start, end)
      if (before > 0) left.push({ start: range.start, sectors: before })
      if (after > 0) left.push({ start: rangeEnd - after, sectors: after })
    }
    this.#take(left)
  }

  /**
   * `+first-last` makes sectors bad, `-first-last` good again. Throws KernelError EINVAL for anything else.
   * @see drivers/block/null_blk/main.c nullb_device_badblocks_store
   */
  store(setting: string): void {
    const [, sign, first, last] = SETTING.exec(setting.trim()) ?? []
    const start = Number(first)
    const end = Number(last)
    if (sign === undefined || !Number.isSafeInteger(end) || start > end) {
      throw new KernelError(
        'EINVAL',
        `badblocks: '${setting}', but must be '+first-last' or '-first-last' with first not above last`,
      )
    }
    if (sign === '+') this.set(start, end - start + 1)
    else this.clear(start, end - start + 1)
  }

  /** A line `first count` for each range. @see block/badblocks.c badblocks_show */
  show(): string {
    return this.#ranges.map(({ start, sectors }) => `${start} ${sectors}\n`).join('')
  }

  #take(ranges: BadRange[]): void {
    if (ranges.length > MAX_BADBLOCKS) {
      const message = `badblocks: ${ranges.length} ranges, but there is room for ${MAX_BADBLOCKS}`
      throw new KernelError('ENOSPC', message)
    }
    this.#ranges = ranges.sort((a, b) => a.start - b.start)
  }
}
