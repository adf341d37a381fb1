// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The media of a copy's two namespaces, and how much memory a copy needs for them and for its buffers.

import { KernelError, type Op } from '@iolayers/kernel'
import { createMemoryStore, type NamespaceStore } from '@iolayers/nvme/controller'
import { createFileStore } from '@iolayers/nvme/file'
import { errorText } from '../cli/failure.ts'
import { WHOLE_BLOCK_BYTES } from '../stack/limits.ts'
import type { Stack } from '../stack/stack.ts'
import { findShrunk, type RemoteEnd, type SourceEnd, type TargetEnd } from './ends.ts'
import { fillPattern } from './pattern.ts'

/** A namespace has at least one block, also for an empty source; and blocks of the other end fit, which may be larger. */
function roundUp(sizeBytes: number): number {
  return Math.max(1, Math.ceil(sizeBytes / WHOLE_BLOCK_BYTES)) * WHOLE_BLOCK_BYTES
}

/** What a copy keeps in memory: its buffers, and the ends that are no files. */
export interface MemoryNeed {
  readonly coherent: boolean
  readonly ends: readonly Pick<SourceEnd | TargetEnd, 'kind' | 'sizeBytes'>[]
  readonly bufferBytes: number
}

/** Bytes of memory that a copy needs. Errors: ENOMEM if the machine does not have them, before they are touched. */
export function memoryFor({ ends, bufferBytes, coherent }: MemoryNeed): number {
  const media = ends.filter(({ kind }) => kind === 'memory')
  const needed = media.reduce((sum, { sizeBytes }) => sum + roundUp(sizeBytes), bufferBytes)
  const available = process.availableMemory()
  // What a device that does not snoop sees is a second copy of everything.
  const touched = coherent ? needed : 2 * needed
  if (touched <= available) return needed + slackFor(needed)
  throw new KernelError(
    'ENOMEM',
    `the copy takes ${touched} bytes of memory (mem: ends and --queue-depth times --block-size), ${available} are available`,
  )
}

const REGION_BYTES = 4 * 1024 ** 3
/** A medium in memory is made of runs of this length, none of which crosses the end of a region. */
const RUN_BYTES = 256 * 1024 ** 2

/** Addresses, which cost no memory, for the ends of regions where no run fits any more. */
function slackFor(neededBytes: number): number {
  if (neededBytes < REGION_BYTES / 2) return 0
  return RUN_BYTES * (2 + Math.ceil(neededBytes / REGION_BYTES))
}

/** The source as the medium of a namespace; memory is filled with the known pattern. The stack takes it over. */
export function* openSourceStore(
  stack: Stack,
  source: Exclude<SourceEnd, RemoteEnd>,
): Op<NamespaceStore> {
  const { kernel, memory } = stack
  const sizeBytes = roundUp(source.sizeBytes)
  if (source.kind === 'memory') {
    const store = createMemoryStore({ kernel, memory }, { sizeBytes })
    yield* fillPattern(kernel.scheduler, store.segments)
    return store
  }
  const { path } = source.file
  const store = createFileStore({ kernel }, { path, readOnly: true, direct: true, sizeBytes })
  // The store holds later reads to the length that it finds now, so what went before it is looked at here.
  const shrunk = findShrunk(source)
  if (shrunk === null) return store
  yield* store.close()
  throw shrunk
}

/** The target's partial file, or memory, as the medium of a namespace. The stack takes it over. */
export function openTargetStore(stack: Stack, target: TargetEnd): NamespaceStore {
  const { kernel, memory } = stack
  const sizeBytes = roundUp(target.sizeBytes)
  if (target.partialPath === null) return createMemoryStore({ kernel, memory }, { sizeBytes })
  return createFileStore({ kernel }, { path: target.partialPath, direct: true, sizeBytes })
}

/** Why reading failed: the file is shorter than it was, or whatever the store met. */
export function explainRead(source: SourceEnd, store: NamespaceStore | null): KernelError | null {
  return findShrunk(source) ?? store?.lastError ?? null
}

/** Why writing failed, with the size that was to be written: the disk may be too small for it. */
export function explainWrite(
  target: TargetEnd,
  store: NamespaceStore | null,
  where: string,
): KernelError | null {
  const cause = store?.lastError ?? null
  if (cause === null) return null
  const { code } = cause
  return new KernelError(code, `${where} of ${target.sizeBytes} bytes: ${errorText(code)}`, {
    cause,
  })
}
