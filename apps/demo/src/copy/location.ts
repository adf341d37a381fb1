// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  accessSync,
  constants,
  existsSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { KernelError } from '@iolayers/kernel'
import { isSystemError, UsageError } from '../cli/failure.ts'
import { parseSize } from '../cli/values.ts'
import { isRemote, parseRemote, type RemoteAddress } from '../remote/address.ts'

/** Where a copy reads from or writes to: a file, a namespace in memory, or one over NVMe/TCP. */
export type Location = LocalLocation | RemoteAddress

export type LocalLocation =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'memory'; readonly sizeBytes: number }

/** `mem:64M` is memory, `nvme+tcp://…` a namespace of a target; anything else is a path. `./mem:64M` names a file that is called so. */
export function parseLocation(text: string, name: string): Location {
  return isRemote(text) ? parseRemote(text, name) : parseLocal(text, name)
}

/** The same without targets. */
export function parseLocal(text: string, name: string): LocalLocation {
  if (isRemote(text)) throw new UsageError(`${name} is "${text}"; it takes a path or mem:SIZE`)
  if (text === '') throw new UsageError(`${name} is empty; it takes a path or mem:SIZE`)
  if (!text.startsWith('mem:')) return { kind: 'file', path: text }
  const sizeBytes = parseSize(text.slice('mem:'.length), `the size in ${name} (${text})`)
  return { kind: 'memory', sizeBytes }
}

/** A regular file that may be read, as it was when it was looked at. */
export interface SourceFile {
  readonly path: string
  readonly stats: Stats
}

/** Refuses, before anything is opened, a source that is not a regular file or may not be read. Errors: ENOENT, EACCES, EISDIR, EINVAL. */
export function inspectSource(path: string, label = 'SRC'): SourceFile {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) throw new KernelError('ENOENT', `${label} ${path} does not exist`)
  if (stats.isDirectory()) {
    throw new KernelError('EISDIR', `${label} ${path} is a directory; it takes a regular file`)
  }
  if (!stats.isFile()) {
    throw new KernelError('EINVAL', `${label} ${path} is not a regular file`)
  }
  try {
    accessSync(path, constants.R_OK)
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EACCES') throw error
    throw new KernelError('EACCES', `${label} ${path} may not be read by this user`, {
      cause: error,
    })
  }
  return { path, stats }
}

/** A regular file, or the place for one. */
export interface TargetFile {
  /** The file that will be replaced or made, symbolic links followed. */
  readonly path: string
  /** Of the file that is there, undefined when there is none. */
  readonly stats: Stats | undefined
}

/**
 * Follows symbolic links, also one that points to nothing yet, and refuses what cannot be replaced by a file.
 *
 * Errors: ENOENT and ENOTDIR for the folder, ELOOP, EINVAL for anything but a regular file and for the source itself.
 */
export function inspectTarget(path: string, source: SourceFile | undefined): TargetFile {
  const target = followLinks(path)
  checkFolder(path, dirname(target))
  const stats = statSync(target, { throwIfNoEntry: false })
  if (stats === undefined) {
    // resolve() has dropped the slash with which the user said that a folder is meant.
    if (!/[/\\]$/.test(path)) return { path: target, stats }
    throw new KernelError('EINVAL', `DST ${path} names a directory; it takes a file`)
  }
  if (!stats.isFile()) {
    throw new KernelError('EINVAL', `DST ${path} is neither absent nor a regular file`)
  }
  if (source !== undefined && isSameFile(stats, source.stats)) {
    throw new KernelError('EINVAL', `SRC ${source.path} and DST ${path} are the same file`)
  }
  return { path: target, stats }
}

/** Whether two names lead to one file, as hard links and symbolic links do. */
export function isSameFile(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino
}

function checkFolder(path: string, folder: string): void {
  const stats = statSync(folder, { throwIfNoEntry: false })
  if (stats === undefined) {
    throw new KernelError('ENOENT', `DST ${path}: the directory ${folder} does not exist`)
  }
  if (!stats.isDirectory()) {
    throw new KernelError('ENOTDIR', `DST ${path}: ${folder} is not a directory`)
  }
}

const LINKS_MAX = 40

/**
 * Where writing to the path would end up. Each folder is resolved before the next link is read, because `link/..` is not the
 * folder that holds `link`.
 *
 * @see path_resolution(7): at most 40 links, then ELOOP
 */
function followLinks(path: string): string {
  let current = path
  for (let links = 0; links <= LINKS_MAX; links++) {
    const folder = dirname(current)
    if (!existsSync(folder)) return resolve(current)
    const real = join(realpathSync.native(folder), basename(current))
    let next: string
    try {
      next = readlinkSync(real)
    } catch {
      return real
    }
    current = isAbsolute(next) ? next : `${dirname(real)}/${next}`
  }
  throw new KernelError('ELOOP', `DST ${path} passes more than ${LINKS_MAX} symbolic links`)
}
