// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type DmaFence,
  dmaFenceChainFindSeqno,
  dmaFenceUnwrapMerge,
  toDmaFenceArray,
} from '../../src/index.ts'
import {
  createFenceRig,
  expectAllReleased,
  FenceChains,
  type FenceRig,
  unwrapped,
} from '../unit/dma-fence-support.ts'

const link = fc.record({ gap: fc.integer({ min: 1, max: 4 }), signalled: fc.boolean() })

describe('dma_fence_chain against a naive model', () => {
  it('finds for every number the link that a look at all links would choose', () => {
    fc.assert(
      fc.property(
        fc.array(link, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(50), { minLength: 1, maxLength: 8 }),
        (links, questions) => {
          const rig = createFenceRig()
          const seqnos: number[] = []
          for (const { gap } of links) seqnos.push((seqnos.at(-1) ?? 0) + gap)
          const chains = new FenceChains(rig, links.length, (i) => seqnos[i] ?? 0)
          for (const [i, { signalled }] of links.entries()) if (signalled) chains.signal(i)
          const last = links.length - 1
          for (const question of questions) {
            const seqno = 1 + (question % (seqnos[last] ?? 1))
            // The first link that reaches the number; then the newest up to it that is pending. The head is not looked into.
            const reaching = seqnos.findIndex((one) => one >= seqno)
            const pending = links.findLastIndex(({ signalled }, i) => !signalled && i <= reaching)
            const expected = reaching === last ? last : pending
            const found = dmaFenceChainFindSeqno(chains.tail, seqno)
            expect(found).toBe(expected < 0 ? null : chains.link(expected))
            found?.put()
          }
          chains.end()
        },
      ),
      { numRuns: 500 },
    )
  })
})

const leaf = fc.record({
  context: fc.integer({ min: 1001, max: 1004 }),
  seqno: fc.integer({ min: 1, max: 5 }),
  signalled: fc.boolean(),
})
type Leaf = { context: number; seqno: number; signalled: boolean }
const group = fc.array(leaf, { minLength: 1, maxLength: 4 })
const input = fc.oneof(
  fc.record({ kind: fc.constant('fence' as const), groups: fc.tuple(group) }),
  fc.record({ kind: fc.constant('array' as const), groups: fc.tuple(group) }),
  fc.record({
    kind: fc.constant('chain' as const),
    groups: fc.array(group, { minLength: 1, maxLength: 4 }),
  }),
)

/** Builds one input out of its leaves; a group of one leaf in a chain is that fence, others are arrays. */
function build(
  rig: FenceRig,
  of: { kind: string; groups: Leaf[][] },
  leaves: DmaFence[],
): DmaFence {
  const make = ({ context, seqno, signalled }: Leaf): DmaFence => {
    const fence = rig.fence({ context, seqno })
    if (signalled) {
      rig.scheduler.advance(1)
      fence.signal()
    }
    fence.get()
    leaves.push(fence)
    return fence
  }
  const group = (members: Leaf[]): DmaFence => {
    const [first] = members
    if (first !== undefined && (members.length === 1 || of.kind === 'fence')) return make(first)
    return rig.array(members.map(make))
  }
  if (of.kind !== 'chain') return group(of.groups[0] ?? [])
  let chain: DmaFence | null = null
  for (const [i, members] of of.groups.entries()) chain = rig.chain(chain, group(members), i + 1)
  if (chain === null) throw new RangeError('a chain of no links')
  return chain
}

const key = (fence: DmaFence): string => `${fence.context}:${fence.seqno}`

describe('dma_fence_unwrap_merge against a naive model', () => {
  it('gives the latest pending fence of each context, by context, however they are contained', () => {
    fc.assert(
      fc.property(fc.array(input, { maxLength: 4 }), (inputs) => {
        const rig = createFenceRig()
        const leaves: DmaFence[] = []
        const heads = inputs.map((one) => build(rig, one, leaves))
        const latest = new Map<number, number>()
        let lastNs = 0
        for (const fence of leaves) {
          if (fence.signaledFlag) lastNs = Math.max(lastNs, fence.timestampNs)
          else latest.set(fence.context, Math.max(fence.seqno, latest.get(fence.context) ?? 0))
        }
        const expected = [...latest].sort(([a], [b]) => a - b).map(([c, s]) => `${c}:${s}`)
        const merged = dmaFenceUnwrapMerge(rig, heads)
        if (expected.length === 0) {
          expect([merged.context, merged.status]).toEqual([0, 1])
          expect(merged.timestampNs).toBeLessThanOrEqual(lastNs)
        } else {
          expect(unwrapped(merged).map(key)).toEqual(expected)
        }
        expect(toDmaFenceArray(merged) !== null).toBe(expected.length > 1)
        merged.put()
        for (const head of heads) head.put()
        for (const fence of leaves) {
          expect(fence.references).toBe(1)
          fence.put()
        }
        expectAllReleased(rig)
      }),
      { numRuns: 500 },
    )
  })
})
