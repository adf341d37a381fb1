// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import { Core } from '@iolayers/dma-buf/parts'
import { createFdTable, type FdTable, type Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { listenToAll, unless } from './common.ts'

/** Traces a descriptor when everybody can use it. */
class TracesAfterwards extends Core {
  protected override handOver(
    dmabuf: DmaBuf,
    fdTable: FdTable,
    fd: number,
    tell: ((fd: number) => void) | undefined,
  ): void {
    tell?.(fd)
    fdTable.install(fd, dmabuf.file)
    const { scheduler } = this.kernel
    if (scheduler.exploring) scheduler.choicePoint('dma_buf_fd: installed, not yet traced')
    this.traceFd(dmabuf, fd)
  }
}

export const t02: Scenario = {
  id: 'T2',
  hazards: ['T2'],
  title: 'the trace of a new descriptor reads a buffer that somebody has closed',
  happenedIn: 'drivers/dma-buf, 2026, found by syzbot',
  step: 'a descriptor is traced after it was installed',
  survives: 'the descriptor is installed last: nothing looks at the buffer afterwards',
  mutantPolicy: 'fence',
  freshWorld: true,
  mutant: { dmaBuf: { core: TracesAfterwards } },
  *setup(weave) {
    listenToAll(weave)
    const stack = weave.stack()
    const { dmabuf } = stack.exporter({ pages: 1 })
    const fds = createFdTable()
    weave.leaves({ what: 'descriptors', count: () => fds.open })
    function* exportIt(): Op<void> {
      stack.core.fd(dmabuf, fds, 0)
    }
    // Guesses the number, as any thread of the process may.
    function* closeIt(): Op<void> {
      yield* unless('EBADF', closeFirst(fds))
    }
    return {
      actors: { 'user task': exportIt(), 'other thread': closeIt() },
      finish: () => unless('EBADF', closeFirst(fds)),
    }
  },
}

function* closeFirst(fds: FdTable): Op<void> {
  fds.close(0)
}
