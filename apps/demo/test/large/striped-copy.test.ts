// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Small with the other tests; `pnpm test:large` runs it with a GiB, in a folder that it removes.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { createSparse, digestFile, type OnProgress, writeSource } from './files.ts'
import { copyThroughNullBlk } from './striped-null-blk.ts'
import { copyThroughStripes } from './striped-nvme.ts'

const { IOLAYERS_LARGE_DIR: LARGE_DIR, IOLAYERS_LARGE_SIZE: LARGE_SIZE } = process.env
/** No multiple of a block or chunk, where it is small. */
const SIZE = Number(LARGE_SIZE ?? 6 * 1024 * 1024 + 1536)
const TIMEOUT_MS = 3_600_000

const temp = useTempDir()

function makeDir(name: string): string {
  const dir = LARGE_DIR === undefined ? temp(name) : join(LARGE_DIR, name)
  mkdirSync(dir)
  return dir
}

let shown = ''

/** A line on the terminal of whoever runs it large. */
const onProgress: OnProgress = (label, doneBytes, sizeBytes) => {
  if (LARGE_DIR === undefined) return
  const text = `${label}: ${Math.floor((100 * doneBytes) / sizeBytes)}%`
  if (text === shown) return
  shown = text
  process.stderr.write(`\r${text} `)
}

describe('a striped disk copies a file', () => {
  it(
    'over four NVMe namespaces on two controllers with registered dma-bufs: the same digest, and no byte copied by the CPU',
    async () => {
      const dir = makeDir('nvme')
      const source = join(dir, 'source')
      const sourceSum = writeSource(source, SIZE, onProgress)
      const target = createSparse(join(dir, 'target'), SIZE)
      const result = await copyThroughStripes({ dir, source, target, sizeBytes: SIZE, onProgress })
      expect(digestFile(target, SIZE, onProgress)).toBe(sourceSum)
      expect(result).toMatchObject({
        cpuCopyBytes: 0,
        iommuFaults: 0,
        stripedBytesWritten: SIZE,
        stripedBytesRead: SIZE,
        stackedMapsMade: 4,
        tokensLeft: 0,
        checkReports: 0,
      })
      const share = SIZE / result.lowerBytesWritten.length
      for (const bytes of result.lowerBytesWritten) {
        expect(Math.abs(bytes - share)).toBeLessThanOrEqual(256 * 1024)
      }
    },
    TIMEOUT_MS,
  )

  it(
    'over memory-backed null_blk with ordinary pages: the same digest',
    async () => {
      const dir = makeDir('null-blk')
      const source = join(dir, 'source')
      const sourceSum = writeSource(source, SIZE, onProgress)
      const target = createSparse(join(dir, 'target'), SIZE)
      const result = await copyThroughNullBlk({ source, target, sizeBytes: SIZE, onProgress })
      expect(digestFile(target, SIZE, onProgress)).toBe(sourceSum)
      expect(result).toMatchObject({ bytesWritten: SIZE, bytesRead: SIZE, pagesLeft: 0 })
    },
    TIMEOUT_MS,
  )
})
