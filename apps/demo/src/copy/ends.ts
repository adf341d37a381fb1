// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The two ends of a copy before there is a stack: what is checked and reserved outside of it.

import { statSync } from 'node:fs'
import { KernelError } from '@iolayers/kernel'
import type { RemoteAddress } from '../remote/address.ts'
import type { CopyJournal } from './journal.ts'
import {
  inspectSource,
  inspectTarget,
  isSameFile,
  type LocalLocation,
  type SourceFile,
  type TargetFile,
} from './location.ts'
import { createPartialFile, partialPathsOf } from './partial-file.ts'

/** What is read: a regular file, or memory with the known pattern. */
export type SourceEnd =
  | {
      readonly kind: 'file'
      readonly name: string
      readonly sizeBytes: number
      readonly file: SourceFile
    }
  | { readonly kind: 'memory'; readonly name: string; readonly sizeBytes: number }
  | RemoteEnd

/** A namespace over NVMe/TCP, as it was when it was looked at. */
export interface RemoteEnd {
  readonly kind: 'remote'
  readonly name: string
  readonly sizeBytes: number
  readonly address: RemoteAddress
}

/** What is written. */
export interface TargetEnd {
  readonly kind: 'file' | 'memory' | 'remote'
  /** Of a remote one; null otherwise. */
  readonly address: RemoteAddress | null
  /** What messages call it. */
  readonly name: string
  /** What it has to hold: the source for a file, what was asked for in memory. */
  readonly sizeBytes: number
  /** Where a file target is written until `commit`; null for memory. */
  readonly partialPath: string | null
  /** Of a copy that may be continued; null otherwise. */
  readonly journal: CopyJournal | null
  /** Makes what was written the target: exactly as long as the source, synced, under its own name. */
  commit(): void
  /** Takes back what was begun. Idempotent; does nothing after `commit`. */
  discard(): void
}

/** Looks at the source and opens nothing. Errors: those of `inspectSource`. */
export function openSource(location: LocalLocation, label = 'SRC'): SourceEnd {
  if (location.kind === 'memory') {
    return { kind: 'memory', name: `mem:${location.sizeBytes}`, sizeBytes: location.sizeBytes }
  }
  const file = inspectSource(location.path, label)
  return { kind: 'file', name: location.path, sizeBytes: file.stats.size, file }
}

/** Why a source that is a file cannot be what was copied any more; null while it is as long as it was. */
export function findShrunk(source: SourceEnd): KernelError | null {
  if (source.kind !== 'file') return null
  const nowBytes = statSync(source.file.path, { throwIfNoEntry: false })?.size
  if (nowBytes === undefined || nowBytes >= source.sizeBytes) return null
  return new KernelError(
    'EIO',
    `SRC ${source.name} shrank while it was read: it had ${source.sizeBytes} bytes, now it has ${nowBytes}`,
  )
}

/** Takes the place of the target, if that may be. Errors: those of `inspectTarget`, EBUSY, ENOSPC for memory that is too small. */
export function openTarget(
  location: LocalLocation,
  source: SourceEnd,
  { resume = false }: { readonly resume?: boolean } = {},
): TargetEnd {
  if (location.kind === 'memory') return memoryTarget(location.sizeBytes, source)
  const sourceFile = source.kind === 'file' ? source.file : undefined
  const target = inspectTarget(location.path, sourceFile)
  if (sourceFile !== undefined) refuseOwnPartial(location.path, target, sourceFile)
  const partial = createPartialFile(target, modeOf(target, sourceFile), resume ? { source } : null)
  return {
    kind: 'file',
    address: null,
    name: location.path,
    sizeBytes: source.sizeBytes,
    partialPath: partial.path,
    journal: partial.journal,
    commit: () => partial.commit(source.sizeBytes),
    discard: () => partial.discard(),
  }
}

/** Somebody who wants to save what a killed copy left behind must not lose it by that. */
function refuseOwnPartial(name: string, target: TargetFile, source: SourceFile): void {
  for (const path of partialPathsOf(target)) {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined || !isSameFile(stats, source.stats)) continue
    throw new KernelError(
      'EINVAL',
      `SRC ${source.path} is the file that a copy to DST ${name} writes first; rename it`,
    )
  }
}

const PERMISSIONS = 0o777

/** A file that is there keeps its permissions; a new one takes those of the source, as with cp. */
function modeOf(target: TargetFile, source: SourceFile | undefined): number {
  if (target.stats !== undefined) return target.stats.mode & PERMISSIONS
  return (source?.stats.mode ?? 0o666) & PERMISSIONS & ~process.umask()
}

function memoryTarget(sizeBytes: number, source: SourceEnd): TargetEnd {
  const name = `mem:${sizeBytes}`
  if (sizeBytes < source.sizeBytes) {
    throw new KernelError(
      'ENOSPC',
      `DST ${name} holds ${sizeBytes} bytes, SRC ${source.name} has ${source.sizeBytes}`,
    )
  }
  return {
    kind: 'memory',
    address: null,
    name,
    sizeBytes,
    ...IN_PLACE,
  }
}

/** Nothing is begun beside it, and nothing taken back. */
export const IN_PLACE = {
  partialPath: null,
  journal: null,
  commit: (): void => undefined,
  discard: (): void => undefined,
} as const
