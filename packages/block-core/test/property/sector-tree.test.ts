// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ElvRq } from '../../src/elevator/elv-rq.ts'
import { SectorTree } from '../../src/elevator/sector-tree.ts'
import { Request } from '../../src/mq/request.ts'

function nodeAt(tag: number, sector: number): ElvRq {
  const rq = new Request(tag, null)
  rq.sector = sector
  return new ElvRq(rq)
}

/** Depth of the tree below a node. */
function depth(node: ElvRq | null): number {
  return node === null ? 0 : 1 + Math.max(depth(node.left), depth(node.right))
}

describe('the tree of requests by sector', () => {
  it('finds what a sorted array finds, after every step', () => {
    const step = fc.record({
      remove: fc.constantFrom(false, false, true),
      sector: fc.oneof(fc.nat(12), fc.nat(1000)),
      which: fc.nat(1000),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const tree = new SectorTree()
        const model: ElvRq[] = []
        for (const [tag, { remove, sector, which }] of steps.entries()) {
          if (remove && model.length > 0) {
            const [gone] = model.splice(which % model.length, 1)
            if (gone !== undefined) tree.remove(gone)
          } else {
            const node = nodeAt(tag, sector)
            tree.add(node)
            const behind = model.findIndex((each) => each.sector > sector)
            model.splice(behind < 0 ? model.length : behind, 0, node)
          }
          expect(tree.isEmpty).toBe(model.length === 0)
          const first = model.find((each) => each.sector >= sector) ?? null
          expect(tree.atOrAfter(sector)?.rq.tag).toBe(first?.rq.tag)
          const at = which % Math.max(model.length, 1)
          const node = model[at]
          if (node === undefined) continue
          expect(tree.latter(node)?.rq.tag).toBe(model[at + 1]?.rq.tag)
          expect(tree.former(node)?.rq.tag).toBe(model[at - 1]?.rq.tag)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('stays shallow, however the sectors come', () => {
    const orders = [
      (i: number) => i,
      (i: number) => 10_000 - i,
      (i: number) => (i * 7919) % 10_007,
      () => 5,
    ]
    for (const order of orders) {
      const tree = new SectorTree()
      const nodes = Array.from({ length: 10_000 }, (_, i) => nodeAt(i, order(i)))
      for (const node of nodes) tree.add(node)
      const root = nodes.reduce((top, node) => (node.weight > top.weight ? node : top))
      expect(depth(root)).toBeLessThan(60)
      for (const node of nodes) tree.remove(node)
      expect(tree.isEmpty).toBe(true)
    }
  })
})
