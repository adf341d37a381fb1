// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a copy that may be continued knows to be on the medium: DST.journal, lines of JSON. The first says of what the copy is; each
// further one is the digest of the next extent, and was written after the extent had been flushed. A torn last line says nothing.

import {
  closeSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { isSystemError } from '../cli/failure.ts'
import type { SourceEnd } from './ends.ts'

/** Bytes that are flushed and noted together; the last extent of a copy may have fewer. */
export const EXTENT_BYTES: number = 64 << 20

const JOURNAL_VERSION = 1

/** Of one copy, held by its process; the file is there until `remove`. */
export interface CopyJournal {
  /** SHA-256 of the extents from the start, in hexadecimal: what was noted, not what is proven. */
  readonly digests: readonly string[]
  /** Forgets all from an extent on. */
  cut(extents: number): void
  /** Notes the next extent, which is on the medium. It is noted for good when this returns. */
  append(digest: string): void
  /** Ends the use of the file, which stays. Idempotent. */
  close(): void
  /** The same, and the file is gone. */
  remove(): void
}

/** Opens the journal at a path, or begins it. Throws what the file system says. */
export function openJournal(path: string, source: SourceEnd): CopyJournal {
  const head = headOf(source)
  const found = readLines(path)
  const isOurs = isDeepStrictEqual(found[0], head)
  const digests = isOurs ? found.slice(1).map(digestOf).filter(isText) : []
  let fd = begin(path, head, digests)
  const close = (): void => {
    if (fd >= 0) closeSync(fd)
    fd = -1
  }
  return {
    digests,
    cut(extents) {
      if (extents >= digests.length) return
      digests.length = extents
      close()
      fd = begin(path, head, digests)
    },
    append(digest) {
      digests.push(digest)
      writeSync(fd, lineOf({ sha256: digest }))
      fdatasyncSync(fd)
    },
    close,
    remove() {
      close()
      rmSync(path, { force: true })
    },
  }
}

/** What has to be the same for an old journal to count. A file that was written since has another time. */
function headOf(source: SourceEnd): Record<string, unknown> {
  const { kind, sizeBytes } = source
  const head = { version: JOURNAL_VERSION, extentBytes: EXTENT_BYTES, kind, sizeBytes }
  if (source.kind === 'remote') return { ...head, address: source.address.text }
  if (source.kind === 'memory') return head
  const { dev, ino, mtimeMs } = source.file.stats
  return { ...head, dev, ino, mtimeMs }
}

/** The lines from the start that are whole. */
function readLines(path: string): unknown[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return []
    throw error
  }
  const lines: unknown[] = []
  for (const line of text.split('\n').slice(0, -1)) {
    try {
      lines.push(JSON.parse(line))
    } catch {
      break
    }
  }
  return lines
}

const SHA256 = /^[0-9a-f]{64}$/

function digestOf(line: unknown): string | undefined {
  if (typeof line !== 'object' || line === null || !('sha256' in line)) return undefined
  return typeof line.sha256 === 'string' && SHA256.test(line.sha256) ? line.sha256 : undefined
}

function isText(value: string | undefined): value is string {
  return value !== undefined
}

/** Appears whole or not at all: a crash in between loses nothing. Gives a descriptor to append to. */
function begin(path: string, head: unknown, digests: readonly string[]): number {
  const aside = `${path}.new`
  const lines = [head, ...digests.map((sha256) => ({ sha256 }))]
  rmSync(aside, { force: true })
  writeFileSync(aside, lines.map(lineOf).join(''), { flag: 'wx', mode: 0o600, flush: true })
  renameSync(aside, path)
  return openSync(path, 'a')
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}
