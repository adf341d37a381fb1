// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The two ends of a copy before there is a stack: what is checked and reserved outside of it.

import { accessSync, constants } from 'node:fs'
import { KernelError } from '@iolayers/kernel'
import { inspectSource, inspectTarget, type Location, type SourceFile } from './location.ts'
import { createPartialFile } from './partial-file.ts'

export type SourceEnd =
  | {
      readonly kind: 'file'
      readonly name: string
      readonly sizeBytes: number
      readonly file: SourceFile
    }
  | { readonly kind: 'memory'; readonly name: string; readonly sizeBytes: number }

export interface TargetEnd {
  readonly kind: 'file' | 'memory'
  /** What messages call it. */
  readonly name: string
  /** What it can hold. */
  readonly sizeBytes: number
  /** Where a file target is written until `commit`; null for memory. */
  readonly partialPath: string | null
  /** Makes what was written the target: exactly as long as the source, synced, under its own name. */
  commit(): void
  /** Takes back what was begun. Idempotent; does nothing after `commit`. */
  discard(): void
}

export function openSource(location: Location): SourceEnd {
  if (location.kind === 'memory') {
    return { kind: 'memory', name: `mem:${location.sizeBytes}`, sizeBytes: location.sizeBytes }
  }
  const file = inspectSource(location.path)
  accessSync(location.path, constants.R_OK)
  return { kind: 'file', name: location.path, sizeBytes: file.stats.size, file }
}

export function openTarget(location: Location, source: SourceEnd): TargetEnd {
  if (location.kind === 'memory') return memoryTarget(location.sizeBytes, source)
  const sourceFile = source.kind === 'file' ? source.file : undefined
  const target = inspectTarget(location.path, sourceFile)
  const mode = (target.stats?.mode ?? sourceFile?.stats.mode ?? 0o666 & ~process.umask()) & 0o777
  const partial = createPartialFile(target, mode)
  return {
    kind: 'file',
    name: location.path,
    sizeBytes: source.sizeBytes,
    partialPath: partial.path,
    commit: () => partial.commit(source.sizeBytes),
    discard: () => partial.discard(),
  }
}

function memoryTarget(sizeBytes: number, source: SourceEnd): TargetEnd {
  if (sizeBytes < source.sizeBytes) {
    throw new KernelError('ENOSPC', `DST holds ${sizeBytes} bytes, SRC has ${source.sizeBytes}`, {
      value: sizeBytes,
      accepted: `at least ${source.sizeBytes}`,
    })
  }
  return {
    kind: 'memory',
    name: `mem:${sizeBytes}`,
    sizeBytes,
    partialPath: null,
    commit: () => undefined,
    discard: () => undefined,
  }
}
