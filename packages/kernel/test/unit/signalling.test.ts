// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  type CheckReport,
  createKernel,
  createVirtualScheduler,
  DeferredCall,
  fifoStrategy,
  joinTask,
  type Kernel,
  KernelCheckError,
  type Op,
  StackTrace,
  yieldNow,
} from '../../src/index.ts'

function setup(checked = true) {
  const scheduler = createVirtualScheduler({ strategy: fifoStrategy() })
  const found: CheckReport[] = []
  const kernel = createKernel({ scheduler }, { checked, onReport: (report) => found.push(report) })
  return { scheduler, kernel, found, signalling: kernel.signalling }
}

function beginHere(kernel: Kernel) {
  return kernel.signalling.begin('irq handler')
}

function allocateHere(kernel: Kernel): void {
  kernel.signalling.mightAlloc('alloc_pages')
}

describe('signalling sections', () => {
  it('report an allocation inside, with the stack of both', () => {
    const { kernel, found } = setup()
    const cookie = beginHere(kernel)
    allocateHere(kernel)
    kernel.signalling.end(cookie)
    expect(found).toHaveLength(1)
    expect(found[0]?.check).toBe('dma-fence')
    const lines = found[0]?.message.split('\n') ?? []
    expect(lines[0]).toBe(
      'memory is allocated (alloc_pages) where a fence depends on this context (irq handler)',
    )
    const offence = lines.indexOf('  alloc_pages at:')
    const begun = lines.indexOf('  irq handler begun at:')
    expect(lines[offence + 1]).toContain('allocateHere')
    expect(lines[begun + 1]).toContain('beginHere')
    expect(found[0]?.message).not.toContain('node_modules')
  })

  it('report locks under which fences are waited for, and waits', () => {
    const { signalling, found } = setup()
    const cookie = signalling.begin('job')
    signalling.mightLock('reservation_ww_class')
    signalling.mightWait('dma_fence_wait')
    signalling.end(cookie)
    expect(found.map((report) => report.message.split('\n')[0])).toEqual([
      'a lock is taken under which fences are waited for (reservation_ww_class) where a fence depends on this context (job)',
      'a fence is waited for (dma_fence_wait) where a fence depends on this context (job)',
    ])
  })

  it('are silent outside, before and after', () => {
    const { kernel, signalling, found } = setup()
    allocateHere(kernel)
    signalling.end(signalling.begin('job'))
    allocateHere(kernel)
    signalling.mightLock('lock')
    signalling.mightWait('wait')
    expect(found).toEqual([])
  })

  it('nest, and end from the inside out', () => {
    const { kernel, signalling, found } = setup()
    const outer = signalling.begin('outer')
    const inner = signalling.begin('inner')
    expect(() => signalling.end(outer)).toThrow('not the innermost')
    signalling.end(inner)
    expect(() => signalling.end(inner)).toThrow('not the innermost')
    allocateHere(kernel)
    signalling.end(outer)
    expect(() => signalling.end(outer)).toThrow('not the innermost')
    allocateHere(kernel)
    expect(found.map((report) => report.message.includes('(outer)'))).toEqual([true])
  })

  it('belong to the task that began them, parked in between or not', () => {
    const { scheduler, kernel, signalling, found } = setup()
    const signaller = function* (): Op<void> {
      const cookie = signalling.begin('signaller')
      yield* yieldNow(scheduler)
      yield* yieldNow(scheduler)
      allocateHere(kernel)
      signalling.end(cookie)
      allocateHere(kernel)
    }
    const other = function* (): Op<void> {
      allocateHere(kernel)
      const cookie = signalling.begin('other')
      yield* yieldNow(scheduler)
      signalling.end(cookie)
    }
    scheduler.queue(new DeferredCall('irq', () => allocateHere(kernel)))
    const body = function* (): Op<void> {
      const tasks = [scheduler.spawn('a', signaller()), scheduler.spawn('b', other())]
      for (const task of tasks) yield* joinTask(scheduler, task)
    }
    scheduler.runSync('test', body())
    expect(found.map((report) => report.message.includes('(signaller)'))).toEqual([true])
  })

  it('are not ended by another context', () => {
    const { scheduler, signalling } = setup()
    const cookie = signalling.begin('atomic')
    const body = function* (): Op<void> {
      expect(() => signalling.end(cookie)).toThrow('not the innermost')
    }
    scheduler.runSync('test', body())
    signalling.end(cookie)
  })

  it('throw where nobody takes the reports', () => {
    const scheduler = createVirtualScheduler({ strategy: fifoStrategy() })
    const kernel = createKernel({ scheduler }, { checked: true })
    kernel.signalling.begin('job')
    expect(() => allocateHere(kernel)).toThrow(KernelCheckError)
    expect(kernel.reports).toHaveLength(1)
  })

  it('put moments into an order', () => {
    const { signalling } = setup()
    expect([signalling.stamp(), signalling.stamp(), signalling.stamp()]).toEqual([1, 2, 3])
  })

  it('are nothing without checked mode', () => {
    const { kernel, signalling, found } = setup(false)
    const first = signalling.begin('a')
    expect(signalling.begin('b')).toBe(first)
    allocateHere(kernel)
    signalling.mightLock('lock')
    signalling.mightWait('wait')
    signalling.end(first)
    signalling.end(first)
    expect(found).toEqual([])
    expect(signalling).toBe(setup(false).signalling)
    expect([signalling.stamp(), signalling.stamp()]).toEqual([0, 0])
  })
})

describe('a stack trace', () => {
  it('names functions that sleep once each, and nothing of the tools', () => {
    const { scheduler } = setup()
    const innerPlace = function* (): Op<string> {
      yield* yieldNow(scheduler)
      return new StackTrace(0).format()
    }
    const outerPlace = function* (): Op<string> {
      return yield* innerPlace()
    }
    const lines = scheduler.runSync('test', outerPlace()).split('\n')
    expect(lines.filter((line) => line.includes('Place'))).toEqual([
      expect.stringContaining('innerPlace'),
      expect.stringContaining('outerPlace'),
    ])
    expect(lines.every((line) => line.startsWith('    ') && !line.includes('vitest'))).toBe(true)
  })

  it('says so when nothing is left of it', () => {
    expect(new StackTrace(1000).format()).toBe('    (no frames)')
  })
})
