// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  Bio,
  type BlkMqHwCtx,
  BlkStatus,
  blkMqMapQueues,
  createDisk,
  createTagSet,
  Plug,
  type QueueLimitsInit,
  ReqFlags,
  ReqOp,
  type Request,
} from '../../src/index.ts'
import {
  type DiskSetup,
  dmabufBio,
  EndRecorder,
  FakeMap,
  makeDisk,
  makeMachine,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

interface Seen {
  readonly sector: number
  readonly sectors: number
  readonly bios: number[]
  readonly segments: number
}

/** Remembers the requests as it gets them. */
class SeeingDriver extends ScriptedDriver {
  readonly seen: Seen[] = []

  override queueRq(hctx: BlkMqHwCtx, rq: Request<{ requeued: number }>, last: boolean): BlkStatus {
    const bios: number[] = []
    for (let bio = rq.bio; bio !== null; bio = bio.biNext) bios.push(bio.biIter.biSector)
    const sectors = rq.dataBytes / 512
    this.seen.push({ sector: rq.sector, sectors, bios, segments: rq.nrPhysSegments })
    return super.queueRq(hctx, rq, last)
  }
}

function setup(limits: QueueLimitsInit = {}, more: DiskSetup = {}) {
  const machine = makeMachine()
  const driver = new SeeingDriver(machine.kernel)
  const disk = makeDisk(machine.kernel, driver, { limits, ...more })
  const end = new EndRecorder()
  const plug = new Plug()
  const bio = (sector: number, sectors = 8, op: number = ReqOp.READ) =>
    runBio({ op, sector, bytes: sectors * 512 }, end)
  const finish = () => {
    plug.finish()
    machine.scheduler.runUntilIdle()
    const { seen } = driver
    tearDown(machine, disk)
    return seen
  }
  return { machine, driver, disk, end, plug, bio, finish }
}

/** Sectors of the bios of each request, in a plug of one disk, for bios given as [sector, sectors]. */
function grouped(
  list: readonly (readonly [number, number])[],
  limits: QueueLimitsInit = {},
  op: number = ReqOp.WRITE,
): number[][] {
  const { disk, plug, bio, finish, end } = setup(limits)
  for (const [sector, sectors] of list) {
    expect(disk.submitBio(bio(sector, sectors, op), plug)).toBe(BlkStatus.OK)
  }
  const seen = finish()
  expect(end.statuses).toEqual(list.map(() => BlkStatus.OK))
  return seen.map(({ bios }) => bios)
}

describe('merging in a plug', () => {
  it('appends a bio that begins where the newest request ends', () => {
    const { disk, plug, bio, finish, end } = setup()
    const bios = [bio(0), bio(8), bio(16)]
    for (const each of bios) disk.submitBio(each, plug)
    expect(plug.requests).toBe(1)
    expect(finish()).toEqual([{ sector: 0, sectors: 24, bios: [0, 8, 16], segments: 3 }])
    expect(end.ended).toEqual(bios)
    expect(disk.stats).toMatchObject({ bios: 3, requests: 1, completions: 1, bytesRead: 12_288 })
    for (const each of bios) expect(each.biNext).toBe(null)
  })

  it('puts a bio that ends where the newest request begins in front of it', () => {
    const { disk, plug, bio, finish, end } = setup()
    for (const sector of [16, 8, 24, 0]) disk.submitBio(bio(sector), plug)
    expect(finish()).toEqual([{ sector: 0, sectors: 32, bios: [0, 8, 16, 24], segments: 4 }])
    expect(end.ended.map((each) => each.biIter.biSector)).toEqual([0, 8, 16, 24])
  })

  it('needs no tag', () => {
    const { disk, plug, bio, finish, end } = setup({}, { queueDepth: 1 })
    expect(disk.submitBio(bio(0), plug)).toBe(BlkStatus.OK)
    expect(disk.submitBio(bio(8), plug)).toBe(BlkStatus.OK)
    expect(disk.submitBio(bio(32), plug)).toBe(BlkStatus.AGAIN)
    finish()
    expect(end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
  })

  it('tries the newest request only', () => {
    expect(
      grouped([
        [0, 8],
        [100, 8],
        [8, 8],
      ]),
    ).toEqual([[0], [100], [8]])
  })

  it('tries the oldest request of its disk where the newest is of another', () => {
    const { machine, disk, plug, bio, finish } = setup()
    const otherDriver = new SeeingDriver(machine.kernel)
    const other = makeDisk(machine.kernel, otherDriver)
    disk.submitBio(bio(0), plug)
    other.submitBio(bio(8), plug)
    disk.submitBio(bio(8), plug)
    other.submitBio(bio(16), plug)
    disk.submitBio(bio(100), plug)
    other.submitBio(bio(200), plug)
    disk.submitBio(bio(108), plug)
    const seen = finish()
    expect(seen.map(({ bios }) => bios)).toEqual([[0, 8], [100], [108]])
    expect(otherDriver.seen.map(({ bios }) => bios)).toEqual([[8, 16], [200]])
    tearDown(machine, other)
  })

  it('does not look for another disk where the plug holds one', () => {
    const { machine, disk, plug, bio, finish } = setup()
    const other = makeDisk(machine.kernel, new SeeingDriver(machine.kernel))
    disk.submitBio(bio(0), plug)
    other.submitBio(bio(8), plug)
    expect(plug.requests).toBe(2)
    finish()
    tearDown(machine, other)
  })

  it('needs a plug, and can be switched off', () => {
    const direct = setup()
    direct.driver.decide = () => 'hold'
    direct.disk.submitBio(direct.bio(0), null)
    direct.disk.submitBio(direct.bio(8), null)
    expect(direct.driver.seen).toHaveLength(2)
    direct.driver.releaseHeld()
    direct.finish()
    const off = setup({}, { noMerges: true })
    off.disk.submitBio(off.bio(0), off.plug)
    off.disk.submitBio(off.bio(8), off.plug)
    expect(off.finish()).toHaveLength(2)
    expect(off.disk.stats.bios).toBe(2)
  })

  it('an error of the request ends each of its bios with it', () => {
    const { disk, driver, plug, bio, finish, end } = setup()
    driver.endStatus = () => BlkStatus.MEDIUM
    for (const sector of [0, 8, 16]) disk.submitBio(bio(sector), plug)
    finish()
    expect(end.statuses).toEqual([BlkStatus.MEDIUM, BlkStatus.MEDIUM, BlkStatus.MEDIUM])
    expect(disk.stats.errors).toBe(1)
  })

  it('counts merges and traces them after the bio was queued', () => {
    const { machine, disk, plug, bio, finish } = setup()
    const points: string[] = []
    const stop = machine.kernel.tracer.subscribe(
      (name) => name.startsWith('block_bio'),
      (event) => points.push(`${event.point} ${event.values.join(' ')}`),
    )
    for (const sector of [8, 16, 0]) disk.submitBio(bio(sector), plug)
    stop()
    finish()
    expect(points).toEqual([
      'block_bio_queue test0 0 8 8',
      'block_bio_queue test0 0 16 8',
      'block_bio_backmerge test0 0 16 8',
      'block_bio_queue test0 0 0 8',
      'block_bio_frontmerge test0 0 0 8',
    ])
  })
})

describe('what goes together', () => {
  const pair = (first: number, second: number): number => {
    const limits = {
      atomicWriteHwMaxBytes: 32_768,
      maxWriteZeroesSectors: 64,
      maxHwDiscardSectors: 64,
      writeCache: true,
    }
    const { disk, plug, bio, finish } = setup(limits)
    disk.submitBio(bio(0, 8, first), plug)
    disk.submitBio(bio(8, 8, second), plug)
    const requests = plug.requests
    finish()
    return requests
  }
  const { READ, WRITE, DISCARD, WRITE_ZEROES } = ReqOp

  it('reads, writes and discards of one kind', () => {
    expect([pair(READ, READ), pair(WRITE, WRITE), pair(DISCARD, DISCARD)]).toEqual([1, 1, 1])
    expect([pair(READ, WRITE), pair(WRITE, DISCARD), pair(WRITE_ZEROES, WRITE)]).toEqual([2, 2, 2])
  })

  it('write zeroes never do', () => {
    expect(pair(WRITE_ZEROES, WRITE_ZEROES)).toBe(2)
  })

  it('NOMERGE, PREFLUSH and FUA keep a bio alone, first or second', () => {
    for (const flag of [ReqFlags.NOMERGE, ReqFlags.PREFLUSH, ReqFlags.FUA]) {
      expect([pair(WRITE | flag, WRITE), pair(WRITE, WRITE | flag)]).toEqual([2, 2])
      expect(pair(WRITE | flag, WRITE | flag)).toBe(2)
    }
  })

  it('ATOMIC and NOWAIT go with their like', () => {
    for (const flag of [ReqFlags.ATOMIC, ReqFlags.NOWAIT]) {
      expect(pair(WRITE | flag, WRITE | flag)).toBe(1)
      expect([pair(WRITE | flag, WRITE), pair(WRITE, WRITE | flag)]).toEqual([2, 2])
    }
  })

  it('POLLED goes with its like', () => {
    const machine = makeMachine()
    const driver = new SeeingDriver(machine.kernel)
    const tagSet = createTagSet(
      { kernel: machine.kernel },
      {
        ops: driver,
        nrHwQueues: 3,
        queueDepth: 8,
        nrMaps: 3,
        mapQueues: (maps) => {
          for (const [type, map] of maps.entries()) {
            map.nrQueues = 1
            map.queueOffset = type
            blkMqMapQueues(map)
          }
        },
      },
    )
    const disk = createDisk(
      { kernel: machine.kernel, tagSet },
      { name: 'poll0', capacitySectors: 1024 },
    )
    const plug = new Plug()
    const end = new EndRecorder()
    const polled = ReqOp.READ | ReqFlags.POLLED
    for (const [i, op] of [READ, polled, polled, READ].entries()) {
      disk.submitBio(runBio({ op, sector: i * 8, bytes: 4096 }, end), plug)
    }
    plug.finish()
    machine.scheduler.runUntilIdle()
    expect(driver.seen.map(({ bios }) => bios)).toEqual([[0], [24], [8, 16]])
    tearDown(machine, disk)
  })

  it('hints do not matter', () => {
    expect(pair(WRITE | ReqFlags.SYNC, WRITE | ReqFlags.META | ReqFlags.IDLE)).toBe(1)
  })

  it('another I/O priority does', () => {
    const { disk, plug, bio, finish } = setup()
    const urgent = bio(8)
    urgent.biIoprio = 1 << 13
    disk.submitBio(bio(0), plug)
    disk.submitBio(urgent, plug)
    expect(finish()).toHaveLength(2)
  })

  it('dmabuf bios never do, flagged NOMERGE or not', () => {
    const { disk, plug, finish, end } = setup()
    const map = new FakeMap(1 << 20, 12)
    for (const sector of [0, 8]) {
      const init = { op: ReqOp.READ, sector, offset: sector * 512, bytes: 4096 }
      disk.submitBio(dmabufBio(map, init, end), plug)
    }
    expect(finish().map(({ segments }) => segments)).toEqual([0, 0])
    expect(map).toMatchObject({ active: 0, activations: 2 })
  })

  it('of a split bio, the rest may go on with the next one, the front parts go alone', () => {
    const { machine, disk, plug, bio, finish, end } = setup({ maxHwSectors: 16 })
    machine.scheduler.runSync('submit', disk.submitBioWait(bio(0, 8), plug))
    machine.scheduler.runSync('submit', disk.submitBioWait(bio(8, 40), plug))
    machine.scheduler.runSync('submit', disk.submitBioWait(bio(48, 8), plug))
    expect(finish().map(({ bios }) => bios)).toEqual([[0], [8], [24], [40, 48]])
    expect(end.statuses).toEqual([0, 0, 0])
  })
})

describe('limits of a merged request', () => {
  it('max sectors', () => {
    expect(
      grouped(
        [
          [0, 8],
          [8, 8],
          [16, 8],
        ],
        { maxHwSectors: 16 },
      ),
    ).toEqual([[0, 8], [16]])
    expect(
      grouped(
        [
          [16, 8],
          [8, 8],
          [0, 8],
        ],
        { maxHwSectors: 16 },
      ),
    ).toEqual([[8, 16], [0]])
  })

  it('a request that something did not fit stays as it is', () => {
    const { disk, plug, bio, finish } = setup({ maxHwSectors: 16 }, { queueDepth: 1 })
    const submit = (sector: number, sectors: number) => disk.submitBio(bio(sector, sectors), plug)
    expect(submit(0, 8)).toBe(BlkStatus.OK)
    expect(submit(8, 16)).toBe(BlkStatus.AGAIN)
    expect(submit(8, 4)).toBe(BlkStatus.AGAIN)
    expect(finish().map(({ bios }) => bios)).toEqual([[0]])
  })

  it('the chunk that the request begins in', () => {
    const limits = { chunkSectors: 16 }
    expect(
      grouped(
        [
          [0, 8],
          [8, 8],
          [16, 8],
        ],
        limits,
      ),
    ).toEqual([[0, 8], [16]])
    expect(
      grouped(
        [
          [16, 8],
          [8, 8],
          [24, 8],
        ],
        limits,
      ),
    ).toEqual([[16], [8], [24]])
  })

  it('atomic writes by what the device does whole', () => {
    const limits = { atomicWriteHwMaxBytes: 8192 }
    const op = ReqOp.WRITE | ReqFlags.ATOMIC
    expect(
      grouped(
        [
          [0, 8],
          [8, 8],
          [16, 8],
        ],
        limits,
        op,
      ),
    ).toEqual([[0, 8], [16]])
  })

  it('the boundary of atomic writes, which says nothing to others', () => {
    const limits = { atomicWriteHwMaxBytes: 16_384, atomicWriteHwBoundaryBytes: 16_384 }
    const list = [
      [16, 8],
      [24, 8],
      [32, 8],
      [40, 8],
    ] as const
    const op = ReqOp.WRITE | ReqFlags.ATOMIC
    expect(grouped(list, limits, op)).toEqual([
      [16, 24],
      [32, 40],
    ])
    expect(
      grouped(
        [
          [24, 8],
          [32, 8],
        ],
        limits,
        op,
      ),
    ).toEqual([[24], [32]])
    expect(
      grouped(
        [
          [24, 8],
          [32, 8],
        ],
        limits,
      ),
    ).toEqual([[24, 32]])
  })

  it('secure erase by its own', () => {
    const limits = { maxSecureEraseSectors: 16 }
    const list = [
      [0, 8],
      [8, 8],
      [16, 8],
    ] as const
    expect(grouped(list, limits, ReqOp.SECURE_ERASE)).toEqual([[0, 8], [16]])
  })

  it('max segments, those of each bio added up', () => {
    const { disk, plug, bio, finish } = setup({ maxSegments: 5, maxSegmentSizeBytes: 4096 })
    for (const [sector, sectors] of [
      [0, 24],
      [24, 8],
      [32, 16],
    ] as const) {
      disk.submitBio(bio(sector, sectors), plug)
    }
    expect(finish().map(({ bios, segments }) => [bios, segments])).toEqual([
      [[0, 24], 4],
      [[32], 2],
    ])
  })

  it('a bio that was built in the middle of its vector counts what is left of it', () => {
    const { disk, plug, bio, finish, end } = setup()
    const half = new Bio()
    half.init(ReqOp.READ, 8, end)
    half.biIoVec = [4, 5, 6].map((frame) => ({ frame, offsetBytes: 0, lengthBytes: 4096 }))
    half.biVcnt = 3
    half.biIter.biIdx = 1
    half.biIter.biBvecDone = 2048
    half.biIter.biSize = 4096
    disk.submitBio(bio(0), plug)
    disk.submitBio(half, plug)
    expect(finish()).toEqual([{ sector: 0, sectors: 16, bios: [0, 8], segments: 3 }])
  })
})

describe('the virtual boundary', () => {
  const at = (end: EndRecorder, sector: number, addr: number, bytes: number) => {
    const bio = runBio({ op: ReqOp.READ, sector, bytes }, end)
    bio.biIoVec = [{ frame: addr >> 12, offsetBytes: addr & 4095, lengthBytes: bytes }]
    return bio
  }
  const groups = (bios: readonly (readonly [number, number, number])[]) => {
    const { disk, plug, finish, end } = setup({ virtBoundaryMask: 4095 })
    for (const [sector, addr, bytes] of bios) disk.submitBio(at(end, sector, addr, bytes), plug)
    return finish().map((each) => each.bios)
  }

  it('has to lie at the seam, behind the request and in front of it', () => {
    expect(
      groups([
        [0, 0x1000, 4096],
        [8, 0x9000, 512],
      ]),
    ).toEqual([[0, 8]])
    expect(
      groups([
        [0, 0x1000, 512],
        [1, 0x9000, 512],
      ]),
    ).toEqual([[0], [1]])
    expect(
      groups([
        [0, 0x1000, 4096],
        [8, 0x9200, 512],
      ]),
    ).toEqual([[0], [8]])
    expect(
      groups([
        [8, 0x9000, 512],
        [0, 0x1000, 4096],
      ]),
    ).toEqual([[0, 8]])
    expect(
      groups([
        [8, 0x9200, 512],
        [0, 0x1000, 4096],
      ]),
    ).toEqual([[8], [0]])
  })

  it('keeps a request alone that begins off it', () => {
    expect(
      groups([
        [0, 0x1200, 0xe00],
        [7, 0x9000, 512],
      ]),
    ).toEqual([[0], [7]])
    expect(
      groups([
        [7, 0x9000, 512],
        [0, 0x1200, 0xe00],
      ]),
    ).toEqual([[7], [0]])
  })

  it('counts where the memory goes on, too: a driver sees two runs', () => {
    expect(
      groups([
        [0, 0x1000, 512],
        [1, 0x1200, 512],
      ]),
    ).toEqual([[0], [1]])
  })

  it('steps over empty entries at the seam', () => {
    const { disk, plug, finish, end } = setup({ virtBoundaryMask: 4095 })
    const first = at(end, 0, 0x1000, 4096)
    first.biIoVec = [
      { frame: 1, offsetBytes: 0, lengthBytes: 4096 },
      { frame: 9, offsetBytes: 8, lengthBytes: 0 },
    ]
    first.biVcnt = 2
    const second = at(end, 8, 0x5000, 4096)
    second.biIoVec = [
      { frame: 9, offsetBytes: 8, lengthBytes: 0 },
      { frame: 5, offsetBytes: 0, lengthBytes: 4096 },
    ]
    second.biVcnt = 2
    disk.submitBio(first, plug)
    disk.submitBio(second, plug)
    expect(finish().map(({ bios }) => bios)).toEqual([[0, 8]])
  })
})

describe('discards', () => {
  const limits = { maxHwDiscardSectors: 64 }

  it('of one range grow where they touch', () => {
    const list = [
      [8, 8],
      [16, 8],
      [0, 8],
      [100, 8],
    ] as const
    expect(grouped(list, limits, ReqOp.DISCARD)).toEqual([[0, 8, 16], [100]])
  })

  it('of several ranges gather wherever they lie, up to the number of ranges', () => {
    const list = [
      [100, 8],
      [0, 8],
      [50, 8],
      [7, 1],
    ] as const
    const several = { ...limits, maxDiscardSegments: 3 }
    expect(grouped(list, several, ReqOp.DISCARD)).toEqual([[100, 0, 50], [7]])
  })

  it('stay within max discard sectors', () => {
    const list = [
      [0, 32],
      [100, 32],
      [200, 8],
    ] as const
    const several = { ...limits, maxDiscardSegments: 8 }
    expect(grouped(list, several, ReqOp.DISCARD)).toEqual([[0, 100], [200]])
    expect(
      grouped(
        [
          [0, 48],
          [48, 32],
        ],
        limits,
        ReqOp.DISCARD,
      ),
    ).toEqual([[0], [48]])
  })
})
