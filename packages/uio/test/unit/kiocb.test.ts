// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createKernel, createVirtualScheduler, File, OpenFlags } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { IocbFlags, iocbFlags, Kiocb } from '../../src/index.ts'

describe('kiocb', () => {
  it('takes its flags from the file, and forgets the I/O before', () => {
    const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
    const file = new File(kernel, { release: () => {} }, { name: 'f', flags: OpenFlags.O_DIRECT })
    const ended: number[] = []
    const kiocb = new Kiocb<string>({ kiComplete: (_, result) => void ended.push(result) })
    kiocb.fragmentsIssued = true
    kiocb.plug = 'plug'
    kiocb.cookie = 3
    kiocb.init(file, 4096)
    expect([kiocb.flags, kiocb.posBytes, kiocb.cookie]).toEqual([IocbFlags.DIRECT, 4096, 0])
    expect([kiocb.fragmentsIssued, kiocb.plug]).toEqual([false, null])
    kiocb.completion.kiComplete(kiocb, -5)
    expect(ended).toEqual([-5])
    file.put()
  })

  it('translates append, dsync and sync', () => {
    expect(iocbFlags(0o2000)).toBe(IocbFlags.APPEND)
    expect(iocbFlags(0o10000)).toBe(IocbFlags.DSYNC)
    expect(iocbFlags(0o4010000)).toBe(IocbFlags.DSYNC | IocbFlags.SYNC)
  })
})
