// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { TraceEvent } from '@iolayers/kernel'
import { createEventLoopScheduler, errnoName, KernelError, type Op } from '@iolayers/kernel'
import { createMemoryStore } from '@iolayers/nvme/controller'
import { errorText } from '../cli/failure.ts'
import {
  attachNvme,
  createStack,
  destroyStack,
  type IommuMode,
  type Stack,
} from '../stack/stack.ts'

/** The I/O to trace. */
export interface TraceIoInit {
  readonly op: 'read' | 'write'
  readonly sizeBytes: number
  readonly iommu: IommuMode
}

/** One step of the I/O: a tracepoint that was passed, with its fields by name. */
export interface TraceLine {
  readonly layer: string
  readonly point: string
  /** The task that ran; empty in an interrupt. */
  readonly task: string
  readonly fields: Readonly<Record<string, number | string>>
}

const BUFFER_NAME = 'traced'
const PAGE_BYTES = 4096

/** Sends one I/O through a stack over memory, with every tracepoint on from its submission to its completion. */
export function traceOneIo(init: TraceIoInit): Promise<TraceLine[]> {
  const scheduler = createEventLoopScheduler()
  const stack = createStack(scheduler, {
    ramBytes: 4 * init.sizeBytes + PAGE_BYTES,
    iommu: init.iommu,
  })
  return scheduler.run('trace', traceWithin(stack, init))
}

function* traceWithin(stack: Stack, init: TraceIoInit): Op<TraceLine[]> {
  const { kernel, memory, ring } = stack
  try {
    const store = createMemoryStore({ kernel, memory }, { sizeBytes: init.sizeBytes })
    const side = yield* attachNvme(stack, { name: 'nvme0', store, queueDepth: 64 })
    ring.registerFiles([side.file])
    const bufferBytes = Math.ceil(init.sizeBytes / PAGE_BYTES) * PAGE_BYTES
    const dmabuf = stack.systemHeap.allocate(bufferBytes, { name: BUFFER_NAME })
    try {
      yield* ring.registerBuffers([{ dmabuf, fileIndex: 0 }])
      try {
        return yield* recordIo(stack, init)
      } finally {
        yield* ring.unregisterBuffers()
      }
    } finally {
      dmabuf.put()
    }
  } finally {
    yield* destroyStack(stack)
  }
}

function* recordIo(stack: Stack, init: TraceIoInit): Op<TraceLine[]> {
  const { kernel, ring } = stack
  const steps: TraceLine[] = []
  const unsubscribe = kernel.tracer.subscribe(
    () => true,
    (event) => steps.push(lineOf(event)),
  )
  try {
    const sqe = ring.getSqe()
    if (init.op === 'read') ring.prepReadFixed(sqe, 0, 0, 0, 0, init.sizeBytes, 1)
    else ring.prepWriteFixed(sqe, 0, 0, 0, 0, init.sizeBytes, 1)
    yield* ring.submitAndWait(1)
  } finally {
    unsubscribe()
  }
  const results = new Int32Array(1)
  ring.reap(new Float64Array(1), results, 1)
  const result = results[0] ?? 0
  if (result === init.sizeBytes) return steps
  const code = errnoName(result) ?? 'EIO'
  throw new KernelError(
    code,
    `the traced ${init.op} of ${init.sizeBytes} bytes ended with ${result}: ${errorText(code)}`,
  )
}

function lineOf(event: TraceEvent): TraceLine {
  const fields: Record<string, number | string> = {}
  event.fields.forEach((name, index) => {
    fields[name] = event.values[index] ?? ''
  })
  return { layer: layerOf(event.point), point: event.point, task: event.task, fields }
}

/** Tracepoints carry their subsystem in front, as the kernel's do. */
const LAYERS: readonly (readonly [prefix: string, layer: string])[] = [
  ['io_uring:', 'io-uring'],
  ['dmabuf_map_', 'blk-mq-token'],
  ['dma_buf_', 'dma-buf'],
  ['dma_heap_', 'dma-buf'],
  ['dma_fence_', 'dma-buf'],
  ['block_', 'block-core'],
  ['nvmet_', 'nvme/target'],
  ['nvme_', 'nvme'],
  ['dma:', 'dma-mapping'],
  ['iommu:', 'dma-mapping'],
]

function layerOf(point: string): string {
  return LAYERS.find(([prefix]) => point.startsWith(prefix))?.[1] ?? 'kernel'
}
