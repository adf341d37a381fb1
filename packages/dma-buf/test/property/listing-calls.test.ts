// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createBpfIter, type IterSource } from '@iolayers/bpf-iter'
import { createDmabufIterTarget, dmabufTextProgram } from '@iolayers/bpf-iter/dmabuf'
import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { assert, type File, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { DmaBuf, DmaBufCore } from '../../src/index.ts'
import { createRig, expectNothingOutstanding, RecordingExporter } from '../support.ts'

const BUFFERS = [0, 1, 2, 100, 1_000]
const READ_BYTES = [1, 7, 256, 4096, 32_768, 1024 * 1024]

/** Passes everything on to a core, and counts. */
class CountingSource implements IterSource<DmaBuf> {
  /** Of `begin` and `next`. */
  calls = 0
  returned = 0
  /** References that the walk holds now, and the most it held at once. */
  held = 0
  heldMax = 0
  readonly #core: DmaBufCore

  constructor(core: DmaBufCore) {
    this.#core = core
  }

  begin(): DmaBuf | null {
    return this.#took(this.#core.begin())
  }

  next(current: DmaBuf): DmaBuf | null {
    this.held--
    return this.#took(this.#core.next(current))
  }

  put(item: DmaBuf): void {
    this.held--
    this.#core.put(item)
  }

  show(item: DmaBuf): string {
    return this.#core.show(item)
  }

  #took(item: DmaBuf | null): DmaBuf | null {
    this.calls++
    if (item === null) return null
    this.returned++
    this.held++
    this.heldMax = Math.max(this.heldMax, this.held)
    return item
  }
}

function* readAll(file: File, target: Uint8Array): Op<number> {
  const { read } = file.ops
  assert(read !== undefined, 'the iterator is not readable')
  for (let total = 0; ; ) {
    const count = yield* read.call(file.ops, file, target, 0, target.length)
    if (count === 0) return total
    total += count
  }
}

describe('R-ITER-3 what a listing costs', () => {
  for (const sizeBytes of READ_BYTES) {
    it(`reads of ${sizeBytes} bytes: begin and next are called n + 1 times, one reference at a time`, () => {
      for (const n of BUFFERS) {
        const rig = createRig({ ramBytes: PAGE_SIZE })
        const ops = new RecordingExporter()
        const buffers = Array.from({ length: n }, () =>
          rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' }),
        )
        const bytes = buffers.reduce((sum, one) => sum + rig.core.show(one).length, 0)
        const source = new CountingSource(rig.core)
        const iters = createBpfIter({ kernel: rig.kernel })
        const target = iters.registerTarget(createDmabufIterTarget(source))
        const file = target.attach(dmabufTextProgram).open()
        const buffer = new Uint8Array(sizeBytes)
        expect(rig.run(readAll(file, buffer))).toBe(bytes)
        // The end stays the end, without another look.
        expect(rig.run(readAll(file, buffer))).toBe(0)
        file.put()
        expect(source).toMatchObject({ calls: n + 1, returned: n, held: 0 })
        expect(source.heldMax).toBeLessThanOrEqual(1)
        for (const one of buffers) one.put()
        expectNothingOutstanding(rig)
      }
    })
  }

  it('what an open iterator keeps does not grow with the list', () => {
    const kept = [10, 10_000].map((n) => {
      const rig = createRig({ ramBytes: PAGE_SIZE })
      const ops = new RecordingExporter()
      for (let i = 0; i < n; i++) {
        rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
      }
      const seen = new Set<number>()
      const target = createBpfIter({ kernel: rig.kernel }).registerTarget(
        createDmabufIterTarget(rig.core),
      )
      const file = target
        .attach((context) => {
          seen.add(context.meta.seq.sizeBytes)
          return dmabufTextProgram(context)
        })
        .open()
      rig.run(readAll(file, new Uint8Array(4096)))
      file.put()
      return [...seen]
    })
    // One buffer of 8 pages, never a larger one.
    expect(kept).toEqual([[32_768], [32_768]])
  })
})
