// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import { Core } from '@iolayers/dma-buf/parts'
import { createFdTable, type FdTable, KernelError, type Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'

/** Installs, and then tells the number to who asked. */
class TellsLast extends Core {
  protected override handOver(
    dmabuf: DmaBuf,
    fdTable: FdTable,
    fd: number,
    tell: ((fd: number) => void) | undefined,
  ): void {
    this.traceFd(dmabuf, fd)
    fdTable.install(fd, dmabuf.file)
    tell?.(fd)
  }
}

export const t04: Scenario = {
  id: 'T4',
  hazards: ['T4'],
  title: 'a descriptor is installed whose number nobody can be told',
  happenedIn: 'drivers/dma-buf, 2026',
  step: 'the descriptor is installed before its number is told',
  survives:
    'the number is reserved and told first; the descriptor is installed when nothing can fail any more',
  mutantPolicy: 'fence',
  mutant: { dmaBuf: { core: TellsLast } },
  *setup(weave) {
    const stack = weave.stack()
    const { dmabuf } = stack.exporter({ pages: 1 })
    const fds = createFdTable()
    weave.leaves({ what: 'descriptors', count: () => fds.open })
    const tell = (): void => {
      throw new KernelError('EFAULT', 'the address to write the number to')
    }
    function* exportIt(): Op<void> {
      try {
        stack.core.fd(dmabuf, fds, 0, tell)
      } catch (error) {
        if (!(error instanceof KernelError && error.code === 'EFAULT')) throw error
      }
      // It failed: the reference is still the caller's, as far as it knows.
      dmabuf.put()
    }
    return { actors: { 'user task': exportIt() } }
  },
}
