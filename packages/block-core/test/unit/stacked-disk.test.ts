// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import { DmaDirection } from '@iolayers/dma-mapping'
import { type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type Bio,
  type BioDisk,
  BioFlag,
  BlkStatus,
  bioFlagged,
  createDisk,
  createLinearDisk,
  createNullBlk,
  createStackedDisk,
  createStripedDisk,
  type Disk,
  type DmabufIoMap,
  type DmabufRegistrar,
  type DmabufToken,
  ReqFlags,
  ReqOp,
  reqOp,
  type StackedTokenFactory,
} from '../../src/index.ts'
import {
  type DiskSetup,
  dmabufBio,
  EndRecorder,
  FakeMap,
  type Machine,
  makeDisk,
  makeMachine,
  runBio,
  ScriptedDriver,
} from '../support.ts'

interface Rig extends Machine {
  readonly drivers: readonly ScriptedDriver[]
  readonly lowers: readonly Disk[]
  readonly end: EndRecorder
}

function makeRig(count: number, setup: DiskSetup = {}): Rig {
  const machine = makeMachine()
  const drivers = Array.from({ length: count }, () => new ScriptedDriver(machine.kernel))
  const lowers = drivers.map((driver) => makeDisk(machine.kernel, driver, setup))
  return { ...machine, drivers, lowers, end: new EndRecorder() }
}

function striped(rig: Rig, chunkSectors = 8): BioDisk {
  return createStripedDisk(rig, { name: 'stripes', disks: rig.lowers, chunkSectors })
}

/** What each lower disk was asked for. */
function issued({ drivers }: Rig): [number, number][][] {
  return drivers.map((driver) => driver.issued.map(({ sector, bytes }) => [sector, bytes]))
}

function ops({ drivers }: Rig): number[][] {
  return drivers.map((driver) => driver.issued.map(({ op }) => reqOp(op)))
}

function settle({ scheduler }: Machine): void {
  function* steps(): Op<void> {
    for (let i = 0; i < 100; i++) yield* yieldNow(scheduler)
  }
  scheduler.runSync('settle', steps())
}

function submit(rig: Rig, disk: Disk, bio: Bio): void {
  rig.scheduler.runSync('submit', disk.submitBioWait(bio, null))
}

function tearDown(rig: Rig, ...uppers: Disk[]): void {
  for (const disk of [...uppers, ...rig.lowers]) {
    rig.scheduler.runSync('destroy', disk.destroy())
    expect(disk.stats.inFlight).toBe(0)
  }
  rig.scheduler.runUntilIdle()
  expect(rig.scheduler.outstanding()).toEqual([])
}

describe('a linear disk', () => {
  it('is its ranges one after the other; a bio over two is cut between them', () => {
    const rig = makeRig(2, { capacitySectors: 100 })
    const [a, b] = rig.lowers as [Disk, Disk]
    const targets = [
      { disk: a, startSector: 10, nrSectors: 6 },
      { disk: b },
      { disk: a, startSector: 90 },
    ]
    const disk = createLinearDisk(rig, { name: 'linear', targets })
    expect(disk.capacitySectors).toBe(6 + 100 + 10)
    submit(rig, disk, runBio({ op: ReqOp.READ, sector: 4, bytes: 103 * 512 }, rig.end))
    submit(rig, disk, runBio({ op: ReqOp.READ, sector: 106, bytes: 5120 }, rig.end))
    rig.scheduler.runUntilIdle()
    expect(issued(rig)).toEqual([
      [
        [14, 1024],
        [90, 512],
        [90, 5120],
      ],
      [[0, 51_200]],
    ])
    expect(rig.end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
    expect(disk.stats).toMatchObject({ bios: 2, splits: 2, completions: 4 })
    tearDown(rig, disk)
  })

  it.each([
    [{ startSector: 0, nrSectors: 101 }, '101 sectors at 0'],
    [{ startSector: 100 }, '0 sectors at 100'],
    [{ startSector: -1, nrSectors: 2 }, '2 sectors at -1'],
  ])('refuses %o of a disk of 100 sectors', (range, value) => {
    const rig = makeRig(1, { capacitySectors: 100 })
    const targets = [{ disk: rig.lowers[0] as Disk, ...range }]
    expect(() => createLinearDisk(rig, { name: 'linear', targets })).toThrow(
      `linear: a range that test0 does not have: got ${value}, accepted multiples of 1 within its 100 sectors, at least one`,
    )
    expect(() => createLinearDisk(rig, { name: 'linear', targets: [] })).toThrow(
      'at least one disk',
    )
    tearDown(rig)
  })
})

describe('a striped disk', () => {
  it('lays chunks on the disks in turn, and cuts at them', () => {
    const rig = makeRig(3, { capacitySectors: 100 })
    const disk = striped(rig)
    expect([disk.capacitySectors, disk.limits.chunkSectors]).toEqual([12 * 8 * 3, 8])
    submit(rig, disk, runBio({ op: ReqOp.WRITE, sector: 5, bytes: 36 * 512 }, rig.end))
    rig.scheduler.runUntilIdle()
    expect(issued(rig)).toEqual([
      [
        [5, 1536],
        [8, 4096],
      ],
      [
        [0, 4096],
        [8, 4096],
      ],
      [
        [0, 4096],
        [8, 512],
      ],
    ])
    expect(rig.end.statuses).toEqual([BlkStatus.OK])
    tearDown(rig, disk)
  })

  it.each([
    [
      0,
      'stripes: chunkSectors is 0, but must be a multiple of 8: got 0, accepted a multiple of 8, at least 8',
    ],
    [12, 'stripes: chunkSectors is 12, but must be a multiple of 8'],
    [104, 'stripes: test0 has no room for a chunk: got 100 sectors, accepted at least 104'],
  ])(
    'refuses chunks of %i sectors on disks of 100 with blocks of 4096',
    (chunkSectors, message) => {
      const rig = makeRig(2, { capacitySectors: 100, limits: { logicalBlockSizeBytes: 4096 } })
      expect(() => striped(rig, chunkSectors)).toThrow(message)
      expect(() => createStripedDisk(rig, { name: 'no', disks: [], chunkSectors: 8 })).toThrow(
        'at least one disk',
      )
      tearDown(rig)
    },
  )

  it('a discard over many stripes is one bio for each disk that has any of it; zeroes are cut at the stripes', () => {
    const limits = { maxHwDiscardSectors: 1 << 20, maxWriteZeroesSectors: 1 << 20 }
    const rig = makeRig(3, { capacitySectors: 1024, limits })
    const disk = striped(rig)
    for (const [op, sector, sectors] of [
      [ReqOp.DISCARD, 0, 240],
      [ReqOp.WRITE_ZEROES, 5, 30],
      [ReqOp.DISCARD, 26, 4],
    ] as const) {
      const bio = runBio({ op, sector, bytes: sectors * 512 }, rig.end)
      bio.biVcnt = 0
      submit(rig, disk, bio)
    }
    rig.scheduler.runUntilIdle()
    expect(issued(rig)).toEqual([
      [
        [0, 80 * 512],
        [5, 3 * 512],
        [8, 8 * 512],
        [10, 4 * 512],
      ],
      [
        [0, 80 * 512],
        [0, 8 * 512],
        [8, 3 * 512],
      ],
      [
        [0, 80 * 512],
        [0, 8 * 512],
      ],
    ])
    expect(rig.end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK, BlkStatus.OK])
    const nowait = runBio({ op: ReqOp.DISCARD | ReqFlags.NOWAIT, sector: 0, bytes: 8192 }, rig.end)
    expect(disk.submitBio(nowait, null)).toBe(BlkStatus.AGAIN)
    submit(rig, disk, nowait)
    expect(rig.end.statuses.at(-1)).toBe(BlkStatus.AGAIN)
    tearDown(rig, disk)
  })

  it('a disk below without discard or zeroes means none above', () => {
    const rig = makeRig(1, { limits: { maxHwDiscardSectors: 8, maxWriteZeroesSectors: 8 } })
    const other = makeRig(1)
    const disks = [...rig.lowers, ...other.lowers]
    const disk = createStripedDisk(rig, { name: 'stripes', disks, chunkSectors: 8 })
    expect(disk.limits).toMatchObject({ maxDiscardSectors: 0, maxWriteZeroesSectors: 0 })
    tearDown(other, disk)
    tearDown(rig)
  })

  it('the first error of a clone ends the bio; what comes later changes nothing', () => {
    const rig = makeRig(2)
    const disk = striped(rig)
    for (const driver of rig.drivers) driver.decide = () => 'hold'
    submit(rig, disk, runBio({ op: ReqOp.READ, sector: 0, bytes: 8192 }, rig.end))
    const [a, b] = rig.drivers as [ScriptedDriver, ScriptedDriver]
    b.endStatus = () => BlkStatus.MEDIUM
    a.endStatus = () => BlkStatus.IOERR
    b.releaseHeld()
    expect(rig.end.statuses).toEqual([])
    a.releaseHeld()
    expect(rig.end.statuses).toEqual([BlkStatus.MEDIUM])
    tearDown(rig, disk)
  })

  it('of several clones of one bio, too, the first error stays', () => {
    const rig = makeRig(3, { limits: { maxHwDiscardSectors: 1024 } })
    const disk = striped(rig)
    const [a, b, c] = rig.drivers as [ScriptedDriver, ScriptedDriver, ScriptedDriver]
    for (const driver of rig.drivers) driver.decide = () => 'hold'
    const bio = runBio({ op: ReqOp.DISCARD, sector: 0, bytes: 65_536 }, rig.end)
    bio.biVcnt = 0
    submit(rig, disk, bio)
    b.endStatus = () => BlkStatus.MEDIUM
    c.endStatus = () => BlkStatus.IOERR
    for (const driver of [b, c, a]) {
      expect(rig.end.statuses).toEqual([])
      driver.releaseHeld()
    }
    expect(rig.end.statuses).toEqual([BlkStatus.MEDIUM])
    tearDown(rig, disk)
  })

  it('is read-only where a disk below is', () => {
    const rig = makeRig(2)
    rig.lowers[1]?.setReadOnly(true)
    const disk = striped(rig)
    expect(disk.readOnly).toBe(true)
    submit(rig, disk, runBio({ op: ReqOp.WRITE, sector: 0, bytes: 512 }, rig.end))
    expect(rig.end.statuses).toEqual([BlkStatus.IOERR])
    tearDown(rig, disk)
  })

  it('the plain form hands on what is one piece, and says what the disk below said', () => {
    const rig = makeRig(2, { queueDepth: 1 })
    const disk = striped(rig)
    for (const driver of rig.drivers) driver.decide = () => 'hold'
    const read = (sector: number, bytes: number): BlkStatus =>
      disk.submitBio(runBio({ op: ReqOp.READ, sector, bytes }, rig.end), null)
    expect([read(0, 512), read(8, 4096), read(0, 512), read(0, 8192)]).toEqual([
      BlkStatus.OK,
      BlkStatus.OK,
      BlkStatus.AGAIN,
      BlkStatus.AGAIN,
    ])
    rig.lowers[1]?.markDead()
    expect(read(8, 512)).toBe(BlkStatus.IOERR)
    for (const driver of rig.drivers) driver.releaseHeld()
    expect(rig.end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
    tearDown(rig, disk)
  })

  it('says in the trace where each clone went', () => {
    const rig = makeRig(2)
    const disk = striped(rig)
    const seen: string[] = []
    rig.kernel.tracer.subscribe(
      (point) => point === 'block_bio_remap',
      ({ values }) => seen.push(values.join(' ')),
    )
    submit(rig, disk, runBio({ op: ReqOp.READ, sector: 14, bytes: 2048 }, rig.end))
    rig.scheduler.runUntilIdle()
    expect(seen).toEqual(['test0 0 6 2 stripes 14', 'test0 0 8 2 stripes 16'])
    tearDown(rig, disk)
  })

  it('is polled through to the disks below, what is one piece of one of them', () => {
    const rig = makeRig(0)
    const devices = ['a', 'b'].map((name) =>
      createNullBlk(rig, { name, sizeBytes: 65_536, pollQueues: 1 }),
    )
    for (const device of devices) device.powerOn()
    const disks = devices.map((device) => device.disk)
    const disk = createStripedDisk(rig, { name: 'stripes', disks, chunkSectors: 8 })
    const read = (bytes: number): Bio =>
      runBio({ op: ReqOp.READ | ReqFlags.POLLED, sector: 8, bytes }, rig.end)
    expect(disk.submitBio(read(4096), null)).toBe(BlkStatus.OK)
    rig.scheduler.advance(1_000_000)
    expect(rig.end.statuses).toEqual([])
    expect([disk.queue.poll(), rig.end.statuses]).toEqual([1, [BlkStatus.OK]])
    submit(rig, disk, read(8192))
    rig.scheduler.runUntilIdle()
    expect(rig.end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
    tearDown(rig, disk)
    for (const device of devices) rig.scheduler.runSync('destroy', device.destroy())
  })

  it('a disk below twice is refused', () => {
    const rig = makeRig(1)
    const [lower] = rig.lowers as [Disk]
    const init = { name: 'twice', disks: [lower, lower], chunkSectors: 8 }
    expect(() => createStripedDisk(rig, init)).toThrow(/test0, test0.*each of them once/)
    tearDown(rig)
  })
})

describe('flushes of a stacked disk', () => {
  const cached: DiskSetup = { limits: { writeCache: true } }
  const FLUSH = ReqOp.WRITE | ReqFlags.PREFLUSH

  it('reach every disk below', () => {
    const rig = makeRig(3, cached)
    const disk = striped(rig)
    expect(disk.limits.writeCache).toBe(true)
    const flush = runBio({ op: FLUSH, sector: 0, bytes: 0 }, rig.end)
    expect(disk.submitBio(flush, null)).toBe(BlkStatus.AGAIN)
    submit(rig, disk, flush)
    rig.scheduler.runUntilIdle()
    expect(ops(rig)).toEqual([[ReqOp.FLUSH], [ReqOp.FLUSH], [ReqOp.FLUSH]])
    expect([rig.end.statuses, disk.stats.flushes]).toEqual([[BlkStatus.OK], 1])
    tearDown(rig, disk)
  })

  it('data that comes with one goes down when all disks have flushed, and not when one could not', () => {
    for (const failed of [BlkStatus.OK, BlkStatus.IOERR]) {
      const rig = makeRig(2, cached)
      const disk = striped(rig)
      const [a, b] = rig.drivers as [ScriptedDriver, ScriptedDriver]
      b.decide = (rq) => (reqOp(rq.cmdFlags) === ReqOp.FLUSH ? 'hold' : BlkStatus.OK)
      submit(rig, disk, runBio({ op: FLUSH | ReqFlags.FUA, sector: 0, bytes: 512 }, rig.end))
      settle(rig)
      expect([ops(rig), rig.end.statuses]).toEqual([[[ReqOp.FLUSH], [ReqOp.FLUSH]], []])
      b.endStatus = () => failed
      b.releaseHeld()
      rig.scheduler.runUntilIdle()
      // The disk has no FUA: its own block layer flushes after the data.
      const data = failed === BlkStatus.OK ? [ReqOp.WRITE, ReqOp.FLUSH] : []
      expect([ops(rig)[0], rig.end.statuses]).toEqual([[ReqOp.FLUSH, ...data], [failed]])
      expect(a.held).toEqual([])
      tearDown(rig, disk)
    }
  })

  it('to a single disk below go with the data', () => {
    const rig = makeRig(1, cached)
    const disk = createLinearDisk(rig, {
      name: 'linear',
      targets: [{ disk: rig.lowers[0] as Disk }],
    })
    expect(disk.submitBio(runBio({ op: FLUSH, sector: 16, bytes: 512 }, rig.end), null)).toBe(0)
    expect(disk.submitBio(runBio({ op: FLUSH, sector: 0, bytes: 0 }, rig.end), null)).toBe(0)
    rig.scheduler.runUntilIdle()
    expect([ops(rig), rig.end.statuses]).toEqual([
      [[ReqOp.FLUSH, ReqOp.FLUSH, ReqOp.WRITE]],
      [BlkStatus.OK, BlkStatus.OK],
    ])
    tearDown(rig, disk)
  })

  it('more of them than there are clones wait for each other and all end', () => {
    const rig = makeRig(3, { ...cached, queueDepth: 1 })
    const disk = createStripedDisk(rig, {
      name: 'stripes',
      disks: rig.lowers,
      chunkSectors: 8,
      nrRequests: 2,
    })
    for (let i = 0; i < 8; i++) {
      const bio = runBio({ op: FLUSH, sector: 0, bytes: i % 2 === 0 ? 0 : 8192 }, rig.end)
      rig.scheduler.spawn(`flush ${i}`, disk.submitBioWait(bio, null))
    }
    rig.scheduler.runUntilIdle()
    expect(rig.end.statuses).toEqual(Array.from({ length: 8 }, () => BlkStatus.OK))
    tearDown(rig, disk)
  })
})

/** A generation over two fake ones. */
class FakeStackedMap extends FakeMap {
  readonly children: readonly FakeMap[]

  constructor(children: readonly FakeMap[]) {
    super(children[0]?.sizeBytes ?? 0, 12)
    this.children = children
  }

  childMap(index: number): DmabufIoMap {
    return this.children[index] as FakeMap
  }
}

describe('registered buffers on a stacked disk', () => {
  function makeMaps(): [FakeStackedMap, FakeMap, FakeMap] {
    const a = new FakeMap(1 << 20, 12)
    const b = new FakeMap(1 << 20, 12)
    return [new FakeStackedMap([a, b]), a, b]
  }

  it('R-BIO-2: a clone carries the map of its disk, and the place in the buffer', () => {
    const rig = makeRig(2)
    const disk = striped(rig)
    const [map, a, b] = makeMaps()
    const init = { op: ReqOp.READ, sector: 4, offset: 4096, bytes: 8192 }
    submit(rig, disk, dmabufBio(map, init, rig.end))
    rig.scheduler.runUntilIdle()
    expect(rig.drivers.map((driver) => driver.issued.map(({ offset }) => offset))).toEqual([
      [4096, 10_240],
      [6144],
    ])
    expect([a.activations, b.activations, a.active, b.active]).toEqual([2, 1, 0, 0])
    expect([map.activations, rig.end.statuses]).toEqual([0, [BlkStatus.OK]])
    tearDown(rig, disk)
  })

  it('R8: of the fragments of one I/O some are refused when the map dies between them; none takes another generation, and the I/O ends stale', () => {
    const rig = makeRig(2)
    const disk = striped(rig)
    const [map, a, b] = makeMaps()
    const [first] = rig.drivers as [ScriptedDriver]
    first.decide = () => {
      // The exporter invalidates right after the first fragment was handed over.
      if (a.activations === 1) for (const each of [map, a, b]) each.dead = true
      return 'hold'
    }
    const init = { op: ReqOp.WRITE, sector: 0, offset: 0, bytes: 16_384 }
    submit(rig, disk, dmabufBio(map, init, rig.end))
    settle(rig)
    first.releaseHeld()
    rig.scheduler.runUntilIdle()
    expect(rig.end.statuses).toEqual([BlkStatus.STALE])
    expect(bioFlagged(rig.end.ended[0] as Bio, BioFlag.ISSUED)).toBe(true)
    expect([a.activations, b.activations, a.active, b.active]).toEqual([1, 0, 0, 0])
    tearDown(rig, disk)
  })

  it('R2: through two layers of stacking and splits below, the submitted bio says whether a fragment was handed over', () => {
    const rig = makeRig(2, { limits: { maxHwSectors: 8 } })
    const inner = striped(rig, 16)
    const outer = createLinearDisk(rig, { name: 'outer', targets: [{ disk: inner }] })
    const [stacked, a, b] = makeMaps()
    const map = new FakeStackedMap([stacked])
    for (const [dead, issuedAny] of [
      [a, true],
      [b, true],
    ] as const) {
      dead.dead = true
      const bio = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 16_384 }, rig.end)
      submit(rig, outer, bio)
      rig.scheduler.runUntilIdle()
      expect([rig.end.statuses.at(-1), bioFlagged(bio, BioFlag.ISSUED)]).toEqual([
        BlkStatus.STALE,
        issuedAny,
      ])
      dead.dead = false
    }
    a.dead = true
    b.dead = true
    const bio = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 16_384 }, rig.end)
    submit(rig, outer, bio)
    rig.scheduler.runUntilIdle()
    expect([rig.end.statuses.at(-1), bioFlagged(bio, BioFlag.ISSUED)]).toEqual([
      BlkStatus.STALE,
      false,
    ])
    tearDown(rig, outer, inner)
  })

  it('a generation that is dead when the bio comes is refused before anything is handed over, in both forms and behind a flush', () => {
    const rig = makeRig(2, { limits: { writeCache: true } })
    const disk = striped(rig)
    const [map] = makeMaps()
    const bio = (op: number): Bio =>
      dmabufBio(map, { op, sector: 0, offset: 0, bytes: 512 }, rig.end)
    submit(rig, disk, bio(ReqOp.WRITE | ReqFlags.PREFLUSH))
    map.dead = true
    rig.scheduler.runUntilIdle()
    expect(disk.submitBio(bio(ReqOp.READ), null)).toBe(BlkStatus.STALE)
    submit(rig, disk, bio(ReqOp.READ))
    expect(rig.end.statuses).toEqual([BlkStatus.STALE, BlkStatus.STALE])
    expect(ops(rig)).toEqual([[ReqOp.FLUSH], [ReqOp.FLUSH]])
    tearDown(rig, disk)
  })

  it('registers with every disk below; EOPNOTSUPP names the one that takes no buffers', () => {
    const rig = makeRig(1)
    const asked: (string | number)[] = []
    const tokens: StackedTokenFactory = {
      createStacked(name, lowers, _dmabuf, _direction, options): Op<DmabufToken> {
        asked.push(name, lowers.indexOf(registrar), options?.policy ?? 'default')
        throw new Error('asked')
      },
    }
    const registrar: DmabufRegistrar = { createDmabufToken: refuse }
    const buffer = { inode: 1 } as unknown as DmaBuf
    const [plain] = rig.lowers as [Disk]
    const { tagSet } = plain.queue
    if (tagSet === null) throw new Error('a disk with requests has tags')
    const disks = ['a', 'b'].map((name) =>
      createDisk({ kernel: rig.kernel, tagSet }, { name, capacitySectors: 8, dmabuf: registrar }),
    )
    const init = { name: 'stack', capacitySectors: 8, target: { mapSector: () => undefined } }
    const register = (lowers: readonly Disk[]): void => {
      const disk = createStackedDisk({ ...rig, tokens }, { ...init, lowers })
      disk.dmabuf?.createDmabufToken(buffer, DmaDirection.TO_DEVICE, { policy: 'drain' })
    }
    expect(() => register([...disks, plain])).toThrow('stack: test0 takes no registered dma-bufs')
    expect(() => register(disks)).toThrow('asked')
    expect(asked).toEqual(['stack', 0, 'drain'])
    expect(createStackedDisk(rig, { ...init, lowers: disks }).dmabuf).toBeNull()
    tearDown(rig, ...disks)
  })
})

function refuse(): Op<DmabufToken> {
  throw new Error('the factory registers')
}
