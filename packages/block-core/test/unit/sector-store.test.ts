// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { SectorStore } from '../../src/ram-disk/sector-store.ts'
import { prng } from '../support.ts'

const SECTORS = 64

describe('the pages of a disk in memory', () => {
  it('hold what an array of bytes holds, whatever is written, read and discarded', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = prng(seed)
      const store = new SectorStore()
      const model = new Uint8Array(SECTORS * 512)
      const written = new Uint8Array(SECTORS)
      const memory = new Uint8Array(SECTORS * 512)
      const cpu = {
        read: (addr: number, target: Uint8Array) =>
          target.set(memory.subarray(addr, addr + target.length)),
        write: (addr: number, source: Uint8Array) => memory.set(source, addr),
      }
      for (let i = 0; i < 60; i++) {
        const start = random.below(SECTORS)
        const count = 1 + random.below(Math.min(24, SECTORS - start))
        const [from, bytes] = [start * 512, count * 512]
        switch (random.below(3)) {
          case 0: {
            memory.fill(1 + random.below(255))
            // In two parts, cut anywhere.
            const cut = random.below(bytes)
            store.writeFrom(from, cpu, 7, cut)
            store.writeFrom(from + cut, cpu, 7, bytes - cut)
            model.fill(memory[0] ?? 0, from, from + bytes)
            written.fill(1, start, start + count)
            break
          }
          case 1:
            store.discard(from, bytes)
            model.fill(0, from, from + bytes)
            written.fill(0, start, start + count)
            break
          default:
            store.readTo(from, cpu, 3, bytes)
            expect(
              Buffer.compare(memory.subarray(3, 3 + bytes), model.subarray(from, from + bytes)),
            ).toBe(0)
        }
        const has = written.map((_, sector) => (store.has(sector) ? 1 : 0))
        expect(has.join('')).toBe(written.join(''))
        const pages = [...Array(SECTORS / 8).keys()].filter((page) =>
          written.subarray(page * 8, page * 8 + 8).includes(1),
        )
        expect([...store.pageNumbers()].sort((a, b) => a - b)).toEqual(pages)
        expect(pages.every((page) => store.hasPage(page))).toBe(true)
      }
      store.clear()
      expect(store.pages).toBe(0)
    }
  })
})
