// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE, SgTable } from '@iolayers/dma-mapping'
import { Lie } from './lies.ts'

type Range = readonly [address: number, length: number]

/** Between all RAM and all device memory: no IOVA is ever this high, and nothing is there. */
const NOWHERE = 0x300_0000_0000

/** What becomes of the ranges of an honest table. */
const forgeries: Partial<Record<Lie, (ranges: readonly Range[]) => readonly Range[]>> = {
  [Lie.SHORT_TABLE]: (ranges) => lengthened(ranges, -PAGE_SIZE),
  [Lie.LONG_TABLE]: (ranges) => lengthened(ranges, PAGE_SIZE),
  [Lie.UNALIGNED_TABLE]: ([first = [0, 0], ...rest]) => [
    [first[0], 512],
    [first[0] + 512, first[1] - 512],
    ...rest,
  ],
  [Lie.ZERO_LENGTH_ENTRY]: ([first = [0, 0], ...rest]) => [first, [first[0], 0], ...rest],
  [Lie.HUGE_ENTRY]: ([first = [0, 0], ...rest]) => [[first[0], 2 ** 32 + PAGE_SIZE], ...rest],
  [Lie.OVERLAPPING_ENTRIES]: ([first = [0, 0], ...rest]) => [
    [first[0], first[1] / 2],
    [first[0], first[1] / 2],
    ...rest,
  ],
  [Lie.NOWHERE]: (ranges) => ranges.map(([, length]) => [NOWHERE, length]),
  [Lie.UNMAPPED_TABLE]: () => [],
}

/** A copy of a mapped table that lies, null for a lie that is not one of tables. Says of itself that the same device mapped it. */
export function forgedTable(honest: SgTable, lie: Lie): SgTable | null {
  const forge = forgeries[lie]
  if (forge === undefined) return null
  const ranges: Range[] = []
  for (let i = 0; i < honest.nents; i++) {
    ranges.push([honest.dmaAddressAt(i), honest.dmaLengthAt(i)])
  }
  const table = new SgTable()
  for (let i = 0; i < honest.origNents; i++) {
    table.append(honest.frameAt(i), honest.offsetAt(i), honest.lengthAt(i))
  }
  for (const [address, length] of forge(ranges)) table.appendDma(address, length)
  if (lie !== Lie.UNMAPPED_TABLE) table.setMapping(honest.mapping)
  return table
}

function lengthened(ranges: readonly Range[], bytes: number): readonly Range[] {
  return ranges.map(([address, length], i) =>
    i === ranges.length - 1 ? [address, length + bytes] : [address, length],
  )
}
