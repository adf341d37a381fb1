// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  Ability,
  createFdTable,
  createKernel,
  createVirtualScheduler,
  errnoName,
  File,
  type FileOperations,
  KernelCheckError,
  KernelError,
  OpenFlags,
} from '../../src/index.ts'

const scheduler = createVirtualScheduler({ seed: 1 })
const kernel = createKernel({ scheduler })

describe('files and descriptors', () => {
  it('a file is released with its last reference, wherever that was held', () => {
    let released = 0
    const ops: FileOperations = { release: () => void released++ }
    const table = createFdTable({ limit: 2 })
    const fd = table.reserve()
    expect(() => table.get(fd)).toThrow('descriptor 0 is not open')
    table.install(fd, new File(kernel, ops, { name: 'f', flags: OpenFlags.O_RDWR }))
    const file = table.get(fd)
    expect(file.references).toBe(2)
    table.close(fd)
    expect(table.open).toBe(0)
    expect(released).toBe(0)
    file.put()
    expect(released).toBe(1)
    expect(file.tryGet()).toBe(false)
    expect(() => table.close(fd)).toThrow(KernelError)
  })

  it('the table has a limit, and reserved numbers can be given back', () => {
    const table = createFdTable({ limit: 1 })
    const fd = table.reserve()
    expect(() => table.reserve()).toThrow(/all 1 descriptors/)
    table.putUnused(fd)
    expect(table.reserve()).toBe(fd)
  })

  it('an ability is answered with its own implementation only', () => {
    const speak = new Ability<{ word: string }>('speak')
    const other = new Ability<{ word: string }>('other')
    const ops: FileOperations = {
      release: () => undefined,
      query: (ability) => ability.answer(speak, { word: 'hello' }),
    }
    const file = new File(kernel, ops, { name: 'f', flags: 0 })
    expect(file.query(speak)?.word).toBe('hello')
    expect(file.query(other)).toBeUndefined()
    file.put()
  })
})

describe('errors and reports', () => {
  it('a KernelError has the code, the negative errno, the value and the bound', () => {
    const error = new KernelError('EINVAL', 'depth', { value: 0, accepted: '1 to 8' })
    expect(error.errno).toBe(-22)
    expect(error.message).toBe('depth: got 0, accepted 1 to 8')
    expect(errnoName(-116)).toBe('ESTALE')
    expect(errnoName(116)).toBe('ESTALE')
    expect(errnoName(100000)).toBeUndefined()
  })

  it('a finding of checked mode is kept, and thrown unless somebody takes it', () => {
    const finding = { check: 'test', message: 'found' }
    const strict = createKernel({ scheduler }, { checked: true })
    expect(() => strict.report(finding)).toThrow(KernelCheckError)
    expect(strict.reports).toEqual([finding])
    const taken: string[] = []
    const lenient = createKernel({ scheduler }, { onReport: ({ message }) => taken.push(message) })
    lenient.report(finding)
    expect(taken).toEqual(['found'])
  })
})

describe('tracepoints', () => {
  it('are off until somebody listens, and off again afterwards', () => {
    const { tracer } = createKernel({ scheduler })
    const point = tracer.point('io_start', ['sector', 'what'])
    point.emit(1, 'lost')
    const seen: string[] = []
    const stop = tracer.subscribe(
      (name) => name.startsWith('io_'),
      (event) => seen.push(`${event.seq} ${event.point} ${event.values.join()}`),
    )
    expect(point.enabled).toBe(true)
    point.emit(8, 'read')
    const later = tracer.point('io_end', [])
    later.emit()
    tracer.point('other', []).emit()
    expect(tracer.point('io_end', [])).toBe(later)
    stop()
    stop()
    point.emit(9, 'lost')
    expect(point.enabled).toBe(false)
    expect(seen).toEqual(['1 io_start 8,read', '2 io_end '])
  })
})
