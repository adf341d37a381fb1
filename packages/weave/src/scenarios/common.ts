// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op } from '@iolayers/kernel'
import type { Race } from '../run/scenario.ts'
import type { Weave } from '../run/weave.ts'
import { BioUser } from '../stack/bio-user.ts'
import type { MigratingExporter, MigratingExporterInit } from '../stack/migrating-exporter.ts'
import { type RingIo, RingUser, type RingUserInit } from '../stack/ring-user.ts'
import type { Stack, StackInit } from '../stack/stack.ts'

export interface OneBuffer {
  readonly stack: Stack
  readonly exporter: MigratingExporter
  readonly user: BioUser
}

/** One buffer of one page, registered once, and nothing mapped yet. */
export function* oneBuffer(
  weave: Weave,
  stackInit: Omit<StackInit, 'policy'> = {},
  exporterInit: Partial<MigratingExporterInit> = {},
): Op<OneBuffer> {
  const stack = weave.stack(stackInit)
  const exporter = stack.exporter({ pages: 1, ...exporterInit })
  const user = yield* BioUser.register(stack, exporter)
  return { stack, exporter, user }
}

/** One read of two blocks; the n-th one of a scenario reads its own. */
export function* readBlocks(user: BioUser, nth = 0): Op<void> {
  yield* user.io({ op: 'read', lba: nth * 2, blocks: 2 })
}

/** One read of one block. */
export function* readBlock(user: BioUser, lba: number): Op<void> {
  yield* user.io({ op: 'read', lba, blocks: 1 })
}

/** Reads of two blocks each, over the end of a page whose neighbour is elsewhere: two segments, and so a list of descriptors. */
export function* readsOverPages(
  weave: Weave,
  reads: number,
  stackInit: Omit<StackInit, 'policy'> = {},
): Op<Race> {
  const world = yield* oneBuffer(weave, stackInit, { pages: 3, scattered: true })
  const actors: Record<string, Op<void>> = {}
  for (let nth = 0; nth < reads; nth++) actors[`submitter ${nth}`] = readOverPage(world.user, nth)
  return { actors, finish: () => giveBack(world) }
}

function* readOverPage(user: BioUser, nth: number): Op<void> {
  const bufferOffsetBytes = 4096 * (1 + nth) - 512
  yield* user.io({ op: 'read', lba: nth * 2, blocks: 2, bufferOffsetBytes })
}

/** A first read, which makes the map, beside the removal of the device: ENODEV where that comes first. */
export function* mapAndRemove(weave: Weave): Op<Race> {
  const world = yield* oneBuffer(weave, {}, { slowMap: true })
  const { user } = world
  return {
    actors: {
      submitter: unless('ENODEV', readBlocks(user)),
      removal: (function* () {
        user.token.deviceRemoved()
      })(),
    },
    finish: () => giveBack(world),
  }
}

/** Gives back what `oneBuffer` made. */
export function* giveBack({ user, exporter }: OneBuffer): Op<void> {
  yield* user.release()
  exporter.dmabuf.put()
}

/** A first read, which makes the map, beside an exporter that moves the buffer. */
export function* readAndMove(weave: Weave): Op<Race> {
  const world = yield* oneBuffer(weave)
  const { user, exporter } = world
  return {
    actors: { submitter: readBlocks(user), exporter: exporter.move() },
    finish: () => giveBack(world),
  }
}

/** The same with a map that is there. */
export function* readMappedAndMove(weave: Weave): Op<Race> {
  const world = yield* oneBuffer(weave)
  const { user, exporter } = world
  yield* readBlocks(user, 1)
  return {
    actors: { submitter: readBlocks(user), exporter: exporter.move() },
    finish: () => giveBack(world),
  }
}

/** A read beside the end of its registration, which may come first: ENOENT. */
export function* readAndRelease(weave: Weave): Op<Race> {
  const world = yield* oneBuffer(weave)
  const { user } = world
  return {
    actors: { submitter: unless('ENOENT', readBlocks(user)), unregister: user.release() },
    finish: () => giveBack(world),
  }
}

/** An I/O that may end with an error. */
export function* unless(code: string, io: Op<void>): Op<void> {
  try {
    yield* io
  } catch (error) {
    if (!(error instanceof KernelError && error.code === code)) throw error
  }
}

/** An exporter that tells its importers, and lets go of the lock at once: what moves the pages comes later. */
export function* invalidate({ dmabuf }: MigratingExporter): Op<void> {
  yield* dmabuf.resv.lock(null)
  try {
    yield* dmabuf.invalidateMappings()
  } finally {
    dmabuf.resv.unlock()
  }
}

/** Under the lock of the buffer, as a GPU that brings one back holds it from the first to the last step. */
export function* underLock({ dmabuf }: MigratingExporter, op: Op<void>): Op<void> {
  yield* dmabuf.resv.lock(null)
  try {
    yield* op
  } finally {
    dmabuf.resv.unlock()
  }
}

/** A ring with one buffer, which is mapped when the race begins. */
export function* ringWithMap(
  weave: Weave,
  init: RingUserInit & { readonly stack?: Omit<StackInit, 'policy'> } = {},
): Op<OneRing> {
  const stack = weave.stack(init.stack)
  const exporter = stack.exporter({ pages: 1 })
  const user = yield* RingUser.register(stack, exporter, init)
  yield* user.io(FIRST_IO)
  return {
    exporter,
    user,
    *finish() {
      yield* user.close()
      exporter.dmabuf.put()
    },
  }
}

const FIRST_IO: RingIo = { op: 'read', lba: 20, blocks: 1, bufferOffsetBytes: 0 }

export interface OneRing {
  readonly exporter: MigratingExporter
  readonly user: RingUser
  /** Gives all back. */
  finish(): Op<void>
}

/** A read through a ring, of `blocks` blocks, beside an exporter that moves the buffer. */
export function* ringReadAndMove(
  weave: Weave,
  init: {
    readonly blocks: number
    readonly pages?: number
    readonly stack?: Omit<StackInit, 'policy'>
  },
): Op<Race> {
  const stack = weave.stack(init.stack)
  const exporter = stack.exporter({ pages: init.pages ?? 1 })
  const user = yield* RingUser.register(stack, exporter)
  // The map is there when the race begins.
  yield* user.io({ op: 'read', lba: 20, blocks: 1, bufferOffsetBytes: 0 })
  function* read(): Op<void> {
    yield* user.io({ op: 'read', lba: 0, blocks: init.blocks })
  }
  return {
    actors: { submitter: read(), exporter: exporter.move() },
    *finish() {
      yield* user.close()
      exporter.dmabuf.put()
    },
  }
}

/** Somebody listens to the tracepoints: what they read, they read. */
export function listenToAll({ kernel }: Weave): void {
  kernel.tracer.subscribe(
    () => true,
    () => {},
  )
}
