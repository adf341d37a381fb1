// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createFdTable,
  createKernel,
  createVirtualScheduler,
  File,
  fifoStrategy,
  KernelError,
  RefCount,
  Timer,
} from '../../src/index.ts'

describe('timers against a list that is sorted', () => {
  it('armed, moved and cancelled at will, they fire by deadline, then by arming order', () => {
    const step = fc.record({
      kind: fc.constantFrom('arm', 'arm', 'arm', 'arm', 'cancel', 'cancel', 'advance'),
      which: fc.nat(29),
      ns: fc.nat(1000),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 40, maxLength: 200 }), (steps) => {
        const scheduler = createVirtualScheduler({ strategy: fifoStrategy() })
        const fired: string[] = []
        const timers = Array.from(
          { length: 30 },
          (_, i) => new Timer(scheduler, `${i}`, () => fired.push(`${i}@${scheduler.nowNs()}`)),
        )
        let model: { i: number; at: number; order: number }[] = []
        const expected: string[] = []
        let order = 0
        const expire = (until: number): void => {
          model.sort((a, b) => a.at - b.at || a.order - b.order)
          for (const { i, at } of model.filter((t) => t.at <= until)) expected.push(`${i}@${at}`)
          model = model.filter((t) => t.at > until)
        }
        for (const { kind, which, ns } of steps) {
          const timer = timers[which]
          if (timer === undefined) continue
          const armed = model.some((t) => t.i === which)
          expect(timer.pending).toBe(armed)
          if (kind === 'advance') {
            expire(scheduler.nowNs() + ns)
            scheduler.advance(ns)
          } else {
            model = model.filter((t) => t.i !== which)
            if (kind === 'cancel') expect(timer.cancel()).toBe(armed)
            else {
              timer.arm(ns)
              model.push({ i: which, at: scheduler.nowNs() + ns, order: order++ })
            }
          }
          expect(fired).toEqual(expected)
        }
        expire(Number.POSITIVE_INFINITY)
        scheduler.runUntilIdle()
        expect(fired).toEqual(expected)
        expect(scheduler.outstanding()).toEqual([])
      }),
      { numRuns: 300 },
    )
  })
})

describe('the descriptor table against a map', () => {
  it('gives the lowest free number, and keeps references exact', () => {
    const step = fc.record({
      kind: fc.constantFrom('open', 'reserve', 'install', 'unused', 'get', 'close'),
      fd: fc.nat(9),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const kernel = createKernel({
          scheduler: createVirtualScheduler({ strategy: fifoStrategy() }),
        })
        const limit = 8
        const table = createFdTable({ limit })
        const model = new Map<number, File | null>()
        let alive = 0
        const open = (): File => {
          alive++
          return new File(kernel, { release: () => alive-- }, { name: 'f', flags: 0 })
        }
        const lowest = (): number => {
          for (let fd = 0; ; fd++) if (!model.has(fd)) return fd
        }
        const reserve = (): number => {
          const expected = lowest()
          if (expected >= limit) {
            expect(() => table.reserve()).toThrow(KernelError)
            return -1
          }
          expect(table.reserve()).toBe(expected)
          model.set(expected, null)
          return expected
        }
        const install = (fd: number): void => {
          const file = open()
          table.install(fd, file)
          model.set(fd, file)
        }
        for (const { kind, fd } of steps) {
          const slot = model.get(fd)
          if (kind === 'reserve') reserve()
          else if (kind === 'open') {
            const fresh = reserve()
            if (fresh >= 0) install(fresh)
          } else if (kind === 'install' && slot === null) install(fd)
          else if (kind === 'unused' && slot === null) {
            table.putUnused(fd)
            model.delete(fd)
          } else if (kind === 'get') {
            if (slot === undefined || slot === null) {
              expect(() => table.get(fd)).toThrow(KernelError)
            } else {
              expect(table.get(fd)).toBe(slot)
              expect(slot.references).toBe(2)
              slot.put()
            }
          } else if (kind === 'close') {
            if (slot === undefined || slot === null) {
              expect(() => table.close(fd)).toThrow(KernelError)
            } else {
              table.close(fd)
              model.delete(fd)
            }
          }
          const files = [...model.values()].filter((file) => file !== null)
          expect(table.open).toBe(files.length)
          expect(alive).toBe(files.length)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('RefCount against a number', () => {
  it('reaches zero exactly once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.boolean()), (start, moves) => {
        const count = new RefCount(start)
        let model = start
        for (const up of moves) {
          if (up) {
            expect(count.incNotZero()).toBe(model > 0)
            if (model > 0) model++
          } else if (model > 0) expect(count.decAndTest()).toBe(--model === 0)
          expect(count.read()).toBe(model)
        }
      }),
    )
  })
})
