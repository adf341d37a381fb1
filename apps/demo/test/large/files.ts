// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createCipheriv, createHash } from 'node:crypto'
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'

export const BLOCK_BYTES: number = 1024 * 1024

/** Told how much is done of what. */
export type OnProgress = (label: string, doneBytes: number, sizeBytes: number) => void

/** Writes a file of bytes that repeat nowhere; their digest. Errors: what the file system says. */
export function writeSource(path: string, sizeBytes: number, onProgress: OnProgress): string {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16))
  const zeroes = Buffer.alloc(BLOCK_BYTES)
  const hash = createHash('sha256')
  const fd = openSync(path, 'wx', 0o600)
  try {
    for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) {
      const block = cipher.update(zeroes.subarray(0, Math.min(BLOCK_BYTES, sizeBytes - at)))
      hash.update(block)
      for (let done = 0; done < block.length; ) done += writeSync(fd, block, done)
      onProgress('writing the source', at + block.length, sizeBytes)
    }
  } finally {
    closeSync(fd)
  }
  return hash.digest('hex')
}

/** A file of that many bytes that have not been written yet. */
export function createSparse(path: string, sizeBytes: number): string {
  const fd = openSync(path, 'wx', 0o600)
  try {
    ftruncateSync(fd, sizeBytes)
  } finally {
    closeSync(fd)
  }
  return path
}

/** Of the whole file, read in blocks. */
export function digestFile(path: string, sizeBytes: number, onProgress: OnProgress): string {
  const hash = createHash('sha256')
  const block = Buffer.alloc(BLOCK_BYTES)
  const fd = openSync(path, 'r')
  try {
    for (let at = 0; ; ) {
      const count = readSync(fd, block, 0, BLOCK_BYTES, at)
      if (count === 0) break
      hash.update(block.subarray(0, count))
      at += count
      onProgress('reading the target', at, sizeBytes)
    }
  } finally {
    closeSync(fd)
  }
  return hash.digest('hex')
}
