// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus } from '@iolayers/block-core'
import { describe, expect, it } from 'vitest'
import { nvmeErrorStatus, nvmeStatusText } from '../../../src/host/index.ts'

describe('nvmeErrorStatus', () => {
  it.each([
    [0x000, BlkStatus.OK],
    [0x081, BlkStatus.NOSPC],
    [0x080, BlkStatus.TARGET],
    [0x021, BlkStatus.TARGET],
    [0x082, BlkStatus.TARGET],
    [0x180, BlkStatus.NOTSUPP],
    [0x001, BlkStatus.NOTSUPP],
    [0x002, BlkStatus.NOTSUPP],
    [0x00b, BlkStatus.NOTSUPP],
    [0x280, BlkStatus.MEDIUM],
    [0x281, BlkStatus.MEDIUM],
    [0x287, BlkStatus.MEDIUM],
    [0x286, BlkStatus.MEDIUM],
    [0x182, BlkStatus.MEDIUM],
    [0x285, BlkStatus.MEDIUM],
    [0x282, BlkStatus.PROTECTION],
    [0x283, BlkStatus.PROTECTION],
    [0x284, BlkStatus.PROTECTION],
    [0x181, BlkStatus.PROTECTION],
    [0x083, BlkStatus.RESV_CONFLICT],
    [0x370, BlkStatus.TRANSPORT],
    [0x1bd, BlkStatus.ZONE_ACTIVE_RESOURCE],
    [0x1be, BlkStatus.ZONE_OPEN_RESOURCE],
    [0x004, BlkStatus.IOERR],
    [0x7ff, BlkStatus.IOERR],
  ])('status %i', (status, expected) => {
    expect(nvmeErrorStatus(status)).toBe(expected)
    // DNR, More and the retry delay say nothing about what happened.
    expect(nvmeErrorStatus(status | 0x7800)).toBe(expected)
  })

  it('covers all that is left with IOERR, never with AGAIN, RESOURCE or STALE', () => {
    for (let status = 0; status < 0x800; status++) {
      const blkStatus = nvmeErrorStatus(status)
      expect([
        BlkStatus.AGAIN,
        BlkStatus.RESOURCE,
        BlkStatus.DEV_RESOURCE,
        BlkStatus.STALE,
      ]).not.toContain(blkStatus)
    }
  })

  it('is told in words', () => {
    expect(nvmeStatusText(0x4281)).toBe('SCT 2h SC 81h DNR')
    expect(nvmeStatusText(0x002)).toBe('SCT 0h SC 02h')
  })
})
