// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure, Errno } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { BlkStatus, blkStatusText, blkStatusToErrno, errnoToBlkStatus } from '../../src/index.ts'

describe('BlkStatus', () => {
  it('every status has an errno of its own and comes back from it', () => {
    for (const status of Object.values(BlkStatus)) {
      expect(errnoToBlkStatus(blkStatusToErrno(status))).toBe(status)
    }
  })

  it('R-MQ-5: AGAIN is EAGAIN, STALE is ESTALE, RESOURCE is ENOMEM: none stands for another', () => {
    expect(blkStatusToErrno(BlkStatus.AGAIN)).toBe(-Errno.EAGAIN)
    expect(blkStatusToErrno(BlkStatus.STALE)).toBe(-Errno.ESTALE)
    expect(blkStatusToErrno(BlkStatus.RESOURCE)).toBe(-Errno.ENOMEM)
  })

  it('an errno without a status becomes IOERR, and a number that is none is an assertion', () => {
    expect(errnoToBlkStatus(-Errno.ENOENT)).toBe(BlkStatus.IOERR)
    expect(errnoToBlkStatus(Errno.EINVAL)).toBe(BlkStatus.INVAL)
    expect(() => blkStatusToErrno(18 as BlkStatus)).toThrow(AssertionFailure)
    expect(blkStatusText(BlkStatus.STALE)).toBe('STALE (ESTALE)')
    expect(blkStatusText(BlkStatus.OK)).toBe('OK (success)')
  })
})
