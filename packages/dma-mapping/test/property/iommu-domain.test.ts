// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createVirtualScheduler } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DomainRange, IommuDomain } from '../../src/iommu/iommu-domain.ts'
import type { IommuStats } from '../../src/iommu/iommu-stats.ts'

function emptyStats(): IommuStats {
  return {
    maps: 0,
    unmaps: 0,
    iotlbFlushes: 0,
    tlbHits: 0,
    tlbMisses: 0,
    faults: 0,
    staleHits: 0,
  }
}

interface Run {
  pfn: number
  frames: number[]
  perms: number
}

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
const step = fc.record({
  op: fc.constantFrom('map', 'map', 'unmap', 'look', 'look', 'look'),
  pages: fc.constantFrom(1, 2, 3, 16, 17, 40, 300),
  frame: fc.integer({ min: 1, max: 400 }),
  contiguous: fc.boolean(),
  perms: fc.integer({ min: 1, max: 3 }),
  pick: fc.nat(),
  offset: fc.nat(4095),
  length: fc.integer({ min: 1, max: 200_000 }),
  access: fc.constantFrom(1, 2),
})

/** Frame and permissions of a page by the list of mappings. */
function look(runs: readonly Run[], pfn: number): { frame: number; perms: number } | null {
  for (const run of runs) {
    const frame = run.frames[pfn - run.pfn]
    if (frame !== undefined) return { frame, perms: run.perms }
  }
  return null
}

function expectedLength(
  runs: readonly Run[],
  addr: number,
  length: number,
  access: number,
): number {
  const first = look(runs, Math.floor(addr / 4096))
  if (first === null) return 0
  if ((first.perms & access) === 0) return -1
  let reach = 4096 - (addr % 4096)
  for (let i = 1; reach < length; i++) {
    const next = look(runs, Math.floor(addr / 4096) + i)
    if (next === null || (next.perms & access) === 0 || next.frame !== first.frame + i) break
    reach += 4096
  }
  return Math.min(reach, length)
}

function runSteps(mode: 'strict' | 'lazy', steps: readonly Step[]): void {
  const stats = emptyStats()
  const scheduler = createVirtualScheduler({ seed: 1 })
  const domain = new IommuDomain({ mode, limitPfn: 2 ** 12, scheduler, stats, checked: true })
  const out = new DomainRange()
  const runs: Run[] = []
  const gone: Run[] = []
  for (const it of steps) {
    if (it.op === 'map') {
      const pfn = domain.allocIova(it.pages)
      if (pfn < 0) continue
      const frames = Array.from({ length: it.pages }, (_, i) =>
        it.contiguous ? it.frame + i : it.frame + ((i * 7) % 50),
      )
      for (const run of runs.concat(mode === 'lazy' && domain.queued > 0 ? gone : [])) {
        const apart = run.pfn + run.frames.length <= pfn || pfn + it.pages <= run.pfn
        expect(apart).toBe(true)
      }
      if (it.contiguous) domain.map(pfn, it.frame, it.pages, it.perms)
      else frames.forEach((frame, i) => void domain.map(pfn + i, frame, 1, it.perms))
      runs.push({ pfn, frames, perms: it.perms })
    } else if (runs.length > 0) {
      const run = runs[it.pick % runs.length]
      if (!run) throw new Error('no run')
      if (it.op === 'unmap') {
        runs.splice(it.pick % runs.length, 1)
        gone.push(run)
        domain.unmap(run.pfn, run.frames.length)
        if (domain.queued === 0) gone.length = 0
        // In lazy mode what follows looks only at what is still mapped.
        if (mode === 'strict') {
          domain.translate(run.pfn * 4096, 1, 1, out)
          expect(out.length).toBe(0)
        }
        continue
      }
      const addr = (run.pfn + (it.pick % run.frames.length)) * 4096 + it.offset
      domain.translate(addr, it.length, it.access, out)
      const want = expectedLength(runs, addr, it.length, it.access)
      if (mode === 'strict') expect(out.length).toBe(want)
      else if (want <= 0) expect(out.length).toBe(want)
      else expect(out.length).toBeGreaterThanOrEqual(want)
      if (out.length > 0) {
        const frame = look(runs, Math.floor(addr / 4096))?.frame ?? -1
        expect(out.physAddr).toBe(frame * 4096 + it.offset)
        expect(domain.iovaToPhys(addr)).toBe(out.physAddr)
      }
    }
  }
  const pages = runs.reduce((sum, run) => sum + run.frames.length, 0)
  expect(domain.mappedPages).toBe(pages)
  if (mode === 'strict') expect(stats.iotlbFlushes).toBe(stats.unmaps)
  for (const run of runs) domain.unmap(run.pfn, run.frames.length)
  expect(domain.mappedPages).toBe(0)
  domain.destroy()
  expect(domain.queued).toBe(0)
  scheduler.runUntilIdle()
}

describe('IOMMU domain', () => {
  it.each(['strict', 'lazy'] as const)(
    '%s: agrees with a list of mappings after every step',
    (mode) => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => runSteps(mode, steps)),
        { numRuns: 150, seed: 31 },
      )
    },
  )
})
