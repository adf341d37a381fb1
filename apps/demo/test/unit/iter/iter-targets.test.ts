// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createVirtualScheduler,
  DeferredCall,
  type Op,
  type Scheduler,
  sleep,
} from '@iolayers/kernel'
import { createMemoryStore, type NamespaceStore, type StoreIo } from '@iolayers/nvme/controller'
import { describe, expect, it } from 'vitest'
import { attachNvme, createStack, destroyStack, type Stack } from '../../../src/index.ts'
import type { IterFormat, IterName } from '../../../src/iter/iter-targets.ts'
import { readToEnd } from '../../../src/iter/read-to-end.ts'

/** A store that keeps what it is given until it is told to go on. */
function held(scheduler: Scheduler, inner: NamespaceStore): NamespaceStore & { go(): void } {
  const kept: StoreIo[] = []
  let open = false
  const submit = (io: StoreIo): void => {
    scheduler.queue(new DeferredCall('medium', () => inner.submit(io)))
  }
  return {
    sizeBytes: inner.sizeBytes,
    lastError: null,
    submit(io: StoreIo): void {
      if (open) submit(io)
      else kept.push(io)
    },
    close: () => inner.close(),
    go(): void {
      open = true
      for (const io of kept.splice(0)) submit(io)
    },
  }
}

const BUFFER_BYTES = 8192

interface Seen {
  readonly text: string
  readonly json: unknown[]
}

function* look(stack: Stack, name: IterName, readSize: number): Op<Seen> {
  const read = function* (format: IterFormat): Op<string> {
    const file = stack.iters[name].open(format)
    const { text } = yield* readToEnd(stack.kernel.scheduler, file, readSize)
    file.put()
    return text
  }
  const text = yield* read('text')
  const lines = (yield* read('json')).split('\n').slice(0, -1)
  return { text, json: lines.map((line): unknown => JSON.parse(line)) }
}

/** Two buffers, one I/O in flight on the second, and what the iterators show of them. */
function* scene(
  scheduler: Scheduler,
  readSize: number,
): Op<{ stack: Stack; seen: Record<IterName, Seen>; after: Seen }> {
  const stack = createStack(scheduler, {
    ramBytes: 256 * 1024,
    queueMemoryBytes: 512 * 1024,
    pageDescriptors: 8,
    iommu: 'strict',
    checked: true,
    backing: 'plain',
    ringEntries: 4,
  })
  const { kernel, memory, ring, systemHeap } = stack
  const inner = createMemoryStore({ kernel, memory }, { sizeBytes: 64 * 1024 })
  const store = held(scheduler, inner)
  const side = yield* attachNvme(stack, { name: 'nvme0', store, queueDepth: 4 })
  ring.registerFiles([side.file])
  const buffers = ['', 'a\nb'].map((name) => systemHeap.allocate(BUFFER_BYTES, { name }))
  yield* ring.registerBuffers(buffers.map((dmabuf) => ({ dmabuf, fileIndex: 0 })))
  // Whoever looks first starts the clock.
  yield* look(stack, 'request', readSize)
  ring.prepWriteFixed(ring.getSqe(), 0, 512, 1, 4096, 1024, 7)
  ring.submit()
  yield* sleep(scheduler, 1_000_000)
  const seen = {
    dmabuf: yield* look(stack, 'dmabuf', readSize),
    request: yield* look(stack, 'request', readSize),
    dmabuf_token: yield* look(stack, 'dmabuf_token', readSize),
  }
  store.go()
  yield* ring.submitAndWait(1)
  const after = yield* look(stack, 'request', readSize)
  yield* ring.unregisterBuffers()
  for (const buffer of buffers) buffer.put()
  yield* destroyStack(stack)
  return { stack, seen, after }
}

describe('the iterators of a stack', () => {
  it.each([1, 7, 4096, 65_536])(
    'show buffers, requests and tokens in reads of %d bytes',
    (size) => {
      const scheduler = createVirtualScheduler({ seed: 1 })
      const { stack, seen, after } = scheduler.runSync('scene', scene(scheduler, size))
      expect(seen.dmabuf).toEqual({
        // R-ITER-8: four lines a buffer, a name may be empty, a newline in it is a space.
        text: '2\n8192\na b\nsystem\n1\n8192\n\nsystem\n',
        json: [
          { inode: 2, size: 8192, name: 'a\nb', exporter: 'system', references: 4 },
          { inode: 1, size: 8192, name: '', exporter: 'system', references: 4 },
        ].map((buffer) => ({ ...buffer, references: expect.any(Number) })),
      })
      const [request] = seen.request.json as { ageNs: number }[]
      const ageNs = request?.ageNs ?? -1
      expect(ageNs).toBeGreaterThan(0)
      expect(seen.request.json).toEqual([
        {
          device: 'nvme0n1',
          hctx: 0,
          tag: 0,
          op: 'WRITE',
          sector: 1,
          bytes: 1024,
          state: 'in_flight',
          dmabuf: true,
          ageNs,
        },
      ])
      expect(seen.request.text).toMatch(
        /^dev=nvme0n1 hctx=0 tag=0 op=WRITE sector=1 bytes=1024 state=in_flight dmabuf=1 age_ns=\d+\n$/,
      )
      expect(after).toEqual({ text: '', json: [] })
      const token = {
        parent: null,
        device: 'nvme0',
        size: 8192,
        direction: 'BIDIRECTIONAL',
        policy: 'fence',
      }
      expect(seen.dmabuf_token.json).toEqual([
        {
          ...token,
          id: 2,
          inode: 2,
          state: 'mapped',
          generations: 1,
          mapsLive: 1,
          map: { generation: 1, refs: 3, active: 1, segments: 1, granule: 8192 },
        },
        { ...token, id: 1, inode: 1, state: 'unmapped', generations: 0, mapsLive: 0, map: null },
      ])
      expect(seen.dmabuf_token.text.split('\n').map((line) => line.slice(0, 30))).toEqual([
        'id=2 parent=- dev=nvme0 inode=',
        'id=1 parent=- dev=nvme0 inode=',
        '',
      ])
      expect(stack.iterators.targetNames).toEqual(['dmabuf', 'request', 'dmabuf_token'])
      expect(stack.iterators.open).toBe(0)
      expect(stack.iterators.links).toBe(0)
      expect(stack.kernel.reports).toEqual([])
      expect(scheduler.outstanding()).toEqual([])
    },
  )
})
