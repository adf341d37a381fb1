// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createServer, type Socket } from 'node:net'
import { Bio, BlkStatus, type Disk, Plug, ReqOp, SECTOR_SIZE } from '@iolayers/block-core'
import { createDevice, createPhysicalMemory, PAGE_SIZE } from '@iolayers/dma-mapping'
import { Completion, createEventLoopScheduler, createKernel, type Op } from '@iolayers/kernel'
import { afterEach, describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../../src/controller/index.ts'
import { CtrlState, type IoCommand } from '../../../src/host/index.ts'
import { NvmOpcode, STATUS_CODE_MASK, Status } from '../../../src/spec/index.ts'
import {
  type ConnectOptions,
  connect,
  discover,
  type LinkEvent,
  serve,
} from '../../../src/tcp/index.ts'
import { expectSameBytes, pattern } from '../../sim/host/rig.ts'

const NQN = 'nqn.2026-11.org.iolayers:disk'
const SIZE = 8 << 20
const open: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

function world() {
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 64 << 20, backing: 'plain' })
  const store = createMemoryStore({ kernel, memory }, { sizeBytes: SIZE })
  const device = createDevice(
    { kernel, memory, iommu: null },
    { name: 'nvme0', iommuMode: 'passthrough' },
  )
  const subsystem = { nqn: NQN, namespaces: [{ nsid: 1, store }] }
  const listen = async (port = 0) => {
    const target = await serve({ kernel }, { subsystems: [subsystem], port })
    open.push(() => target.close())
    return target
  }
  const events: LinkEvent[] = []
  const attach = async (port: number, init: Partial<ConnectOptions> = {}) => {
    const host = await connect(
      { kernel, device },
      { port, subsystemNqn: NQN, onEvent: (e) => events.push(e), ...init },
    )
    open.push(() => host.close())
    return host
  }
  const move = (disk: Disk, op: ReqOp, at: number, bytes: Uint8Array): Promise<number> =>
    scheduler.run('move', moveOp(disk, op, at, bytes))
  function* moveOp(disk: Disk, op: ReqOp, at: number, bytes: Uint8Array): Op<number> {
    const order = Math.max(0, Math.ceil(Math.log2(bytes.length / PAGE_SIZE)))
    const frame = memory.allocPages(order)
    if (op === ReqOp.WRITE) memory.write(frame * PAGE_SIZE, bytes)
    const done = new Completion(scheduler, 'move')
    const bio = new Bio()
    bio.init(op, at / SECTOR_SIZE, { bioEndIo: () => done.complete() })
    bio.biIoVec = [{ frame, offsetBytes: 0, lengthBytes: bytes.length }]
    bio.biVcnt = 1
    bio.biIter.biSize = bytes.length
    const plug = new Plug()
    yield* disk.submitBioWait(bio, plug)
    plug.finish()
    yield* done.wait()
    if (op === ReqOp.READ) memory.read(frame * PAGE_SIZE, bytes)
    memory.freePages(frame, order)
    return bio.biStatus
  }
  return { scheduler, kernel, memory, store, listen, attach, move, events }
}

describe('connect', () => {
  it.each([
    [{ headerDigest: false, dataDigest: false }],
    [{ headerDigest: true, dataDigest: false }],
    [{ headerDigest: true, dataDigest: true }],
  ])('writes and reads, with %o', async (digests) => {
    const { listen, attach, move, memory, kernel } = world()
    const target = await listen()
    const before = memory.stats.pagesAllocated
    const drive = await attach(target.port, { ...digests, ioQueues: 2 })
    const [disk] = drive.disks
    if (disk === undefined) throw new Error('no disk')
    expect(disk.capacitySectors).toBe(SIZE / SECTOR_SIZE)
    for (const [i, size] of [512, 4096, 8192, 12_288, 65_536, 1 << 20].entries()) {
      const out = pattern(size, i + 1)
      const back = new Uint8Array(size)
      expect(await move(disk, ReqOp.WRITE, i << 20, out)).toBe(BlkStatus.OK)
      expect(await move(disk, ReqOp.READ, i << 20, back)).toBe(BlkStatus.OK)
      expectSameBytes(back, out)
    }
    await drive.close()
    expect(memory.stats.pagesAllocated).toBe(before)
    expect(kernel.reports).toEqual([])
    expect(drive.state).not.toBe(CtrlState.LIVE)
  })

  it('makes a lost connection again, and hands over what was in flight', async () => {
    const { listen, attach, move, events, scheduler } = world()
    const first = await listen()
    const { port } = first
    const drive = await attach(port, { reconnectDelayMs: 20 })
    const [disk] = drive.disks
    if (disk === undefined) throw new Error('no disk')
    const out = pattern(1 << 20, 7)
    expect(await move(disk, ReqOp.WRITE, 0, out)).toBe(BlkStatus.OK)
    await first.close()
    const writes = [1, 2, 3].map((i) => move(disk, ReqOp.WRITE, i << 20, pattern(1 << 20, i)))
    await until(() => events.some(({ kind }) => kind === 'retrying'))
    const second = await listen(port)
    expect(await Promise.all(writes)).toEqual([BlkStatus.OK, BlkStatus.OK, BlkStatus.OK])
    const back = new Uint8Array(1 << 20)
    expect(await move(disk, ReqOp.READ, 2 << 20, back)).toBe(BlkStatus.OK)
    expectSameBytes(back, pattern(1 << 20, 2))
    expect([...new Set(events.map(({ kind }) => kind))]).toEqual([
      'lost',
      'retrying',
      'reconnected',
    ])
    expect([drive.state, drive.reconnects]).toEqual([CtrlState.LIVE, 1])
    await drive.close()
    await second.close()
    expect(scheduler.outstanding()).toEqual([])
  })

  it('gives a controller up that does not come back: what waits ends with an error', async () => {
    const { listen, attach, move, events } = world()
    const target = await listen()
    const drive = await attach(target.port, { reconnectDelayMs: 10, ctrlLossTimeoutMs: 60 })
    const [disk] = drive.disks
    if (disk === undefined) throw new Error('no disk')
    await target.close()
    await until(() => drive.state !== CtrlState.LIVE)
    expect(await move(disk, ReqOp.WRITE, 0, pattern(4096, 1))).not.toBe(BlkStatus.OK)
    await until(() => drive.state === CtrlState.DEAD)
    const last = events.at(-1)
    expect(last).toMatchObject({ kind: 'gone', error: { code: 'ECONNREFUSED' } })
  })

  it('fails what waits after a while, where that is asked for, and goes on when the controller is there', async () => {
    const { listen, attach, move } = world()
    const target = await listen()
    const { port } = target
    const drive = await attach(port, { reconnectDelayMs: 20, fastIoFailMs: 30 })
    const [disk] = drive.disks
    if (disk === undefined) throw new Error('no disk')
    await target.close()
    await until(() => drive.state === CtrlState.CONNECTING)
    expect(await move(disk, ReqOp.WRITE, 0, pattern(4096, 1))).toBe(BlkStatus.IOERR)
    await listen(port)
    await until(() => drive.state === CtrlState.LIVE)
    expect(await move(disk, ReqOp.WRITE, 0, pattern(4096, 1))).toBe(BlkStatus.OK)
    await drive.close()
  })

  it('closes a controller that is away at once', async () => {
    const { listen, attach, move, scheduler } = world()
    const target = await listen()
    const drive = await attach(target.port)
    const [disk] = drive.disks
    if (disk === undefined) throw new Error('no disk')
    await target.close()
    await until(() => drive.state === CtrlState.CONNECTING)
    const write = move(disk, ReqOp.WRITE, 0, pattern(4096, 1))
    await drive.close()
    await drive.close()
    expect(await write).toBe(BlkStatus.IOERR)
    expect(scheduler.outstanding()).toEqual([])
  })

  it('closes at once while it waits for one that does not answer', async () => {
    const { listen, attach, scheduler } = world()
    const target = await listen()
    const { port } = target
    const drive = await attach(port)
    await target.close()
    const silent = createServer(() => {})
    const sockets: Socket[] = []
    silent.on('connection', (socket) => sockets.push(socket.on('error', () => {}).resume()))
    await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve))
    await until(() => sockets.length > 0)
    await drive.close()
    await until(() => sockets.every(({ readyState }) => readyState !== 'open'))
    expect(scheduler.outstanding()).toEqual([])
    await new Promise((resolve) => silent.close(resolve))
  })

  it('says why it cannot connect, and leaves nothing', async () => {
    const { listen, attach, scheduler, memory } = world()
    const target = await listen()
    const before = memory.stats.pagesAllocated
    const refused: [Partial<ConnectOptions>, object][] = [
      [{ port: await freePort() }, { code: 'ECONNREFUSED' }],
      [
        { subsystemNqn: 'nqn.2026-11.org.iolayers:other' },
        { message: /there is no such subsystem/ },
      ],
      [{ subsystemNqn: 'disk' }, { code: 'EINVAL' }],
      [{ hostId: 'me' }, { code: 'EINVAL' }],
      [{ queueDepth: 0 }, { code: 'EINVAL' }],
    ]
    for (const [init, error] of refused) {
      await expect(attach(target.port, init)).rejects.toMatchObject(
        'message' in error
          ? { message: expect.stringMatching(String(error.message).slice(1, -1)) }
          : error,
      )
    }
    await until(() => target.connections === 0)
    expect(memory.stats.pagesAllocated).toBe(before)
    await target.close()
    expect(scheduler.outstanding()).toEqual([])
  })

  it('is told which subsystems there are', async () => {
    const { listen, kernel, scheduler } = world()
    const target = await listen()
    const { entries, generation } = await discover({ kernel }, { port: target.port })
    expect(generation).toBeGreaterThan(0)
    expect(entries).toEqual([
      {
        transport: 'tcp',
        addressFamily: 'ipv4',
        subsystemType: 'nvm',
        portId: 1,
        serviceId: String(target.port),
        subsystemNqn: NQN,
        address: '127.0.0.1',
      },
    ])
    await target.close()
    expect(scheduler.outstanding()).toEqual([])
  })

  it('carries commands of the caller as they are', async () => {
    const { listen, attach, scheduler } = world()
    const target = await listen()
    const drive = await attach(target.port, { dataDigest: true })
    const dataOut = pattern(4096, 3)
    const dataIn = new Uint8Array(4096)
    const write = { opcode: NvmOpcode.WRITE, cdw12: 7, dataOut }
    const read = { opcode: NvmOpcode.READ, cdw12: 7, dataIn }
    const compare = { opcode: NvmOpcode.COMPARE, cdw12: 7, dataOut: pattern(4096, 4) }
    const run = (command: IoCommand) => scheduler.run('passthru', drive.host.ioPassthru(1, command))
    expect((await run(write)).status).toBe(0)
    expect((await run(read)).status).toBe(0)
    expectSameBytes(dataIn, dataOut)
    expect((await run(compare)).status & STATUS_CODE_MASK).toBe(Status.COMPARE_FAILURE)
    const discard = {
      opcode: NvmOpcode.DATASET_MANAGEMENT,
      cdw11: 4,
      dataOut: new Uint8Array(16).fill(8, 4, 5),
    }
    expect((await run(discard)).status).toBe(0)
    expect((await run(read)).status).toBe(0)
    expectSameBytes(dataIn, new Uint8Array(4096))
  })

  it('hears of namespaces that come and go', async () => {
    const { listen, attach, store } = world()
    const target = await listen()
    const drive = await attach(target.port)
    target.addNamespace(NQN, { nsid: 2, store })
    await until(() => drive.disks.length === 2)
    target.removeNamespace(NQN, 1)
    await until(() => drive.disks.length === 1)
    expect(drive.disks[0]?.name).toBe('nvme0n2')
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}
