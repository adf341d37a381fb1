// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { existsSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { KernelError } from '@iolayers/kernel'
import { UsageError } from '../cli/failure.ts'
import { parseSize } from '../cli/values.ts'

/** Where a copy reads from or writes to: a file, or a namespace in memory. */
export type Location =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'memory'; readonly sizeBytes: number }

/** `mem:64M` is memory; anything else is a path. `./mem:64M` names a file that is called so. */
export function parseLocation(text: string, name: string): Location {
  if (text === '') throw new UsageError(`${name} is empty; it takes a path or mem:SIZE`)
  if (!text.startsWith('mem:')) return { kind: 'file', path: text }
  const sizeBytes = parseSize(text.slice('mem:'.length), `the size of ${name}`)
  return { kind: 'memory', sizeBytes }
}

export interface SourceFile {
  readonly path: string
  readonly stats: Stats
}

/** Refuses, before anything is opened, a source that is not a regular file. */
export function inspectSource(path: string): SourceFile {
  const stats = statOrThrow(path)
  if (stats.isDirectory()) {
    throw new KernelError('EISDIR', `${path} is a directory; SRC takes a regular file`, {
      value: path,
    })
  }
  if (!stats.isFile()) {
    throw new KernelError('EINVAL', `${path} is not a regular file`, { value: path })
  }
  return { path, stats }
}

export interface TargetFile {
  /** The file that will be replaced or made, symbolic links followed. */
  readonly path: string
  /** Of the file that is there, undefined when there is none. */
  readonly stats: Stats | undefined
}

/** Follows symbolic links, also one that points to nothing yet, and refuses what cannot be replaced by a file. */
export function inspectTarget(path: string, source: SourceFile | undefined): TargetFile {
  const target = followLinks(path)
  const parent = statSync(dirname(target), { throwIfNoEntry: false })
  if (parent === undefined || !parent.isDirectory()) {
    const code = parent === undefined ? 'ENOENT' : 'ENOTDIR'
    throw new KernelError(
      code,
      `${dirname(target)} is not a directory that could hold ${basename(target)}`,
    )
  }
  if (/[/\\]$/.test(path) && !existsSync(target)) {
    throw new KernelError('EINVAL', `${path} names a directory; DST takes a file`, { value: path })
  }
  const stats = statSync(target, { throwIfNoEntry: false })
  if (stats === undefined) return { path: target, stats }
  if (!stats.isFile()) {
    throw new KernelError('EINVAL', `${path} is neither absent nor a regular file`, { value: path })
  }
  if (source !== undefined && stats.dev === source.stats.dev && stats.ino === source.stats.ino) {
    throw new KernelError('EINVAL', `SRC and DST are the same file: ${source.path} and ${path}`)
  }
  return { path: target, stats }
}

const LINKS_MAX = 40

/** @see path_resolution(7): at most 40 links, then ELOOP */
function followLinks(path: string): string {
  let current = resolve(path)
  for (let links = 0; links <= LINKS_MAX; links++) {
    let next: string
    try {
      next = readlinkSync(current)
    } catch {
      return resolveParent(current)
    }
    current = resolve(dirname(current), next)
  }
  throw new KernelError('ELOOP', `${path} passes more than ${LINKS_MAX} symbolic links`, {
    value: path,
  })
}

function resolveParent(path: string): string {
  const parent = dirname(path)
  return existsSync(parent) ? join(realpathSync(parent), basename(path)) : path
}

function statOrThrow(path: string): Stats {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats !== undefined) return stats
  throw new KernelError('ENOENT', `${path} does not exist`, { value: path })
}
