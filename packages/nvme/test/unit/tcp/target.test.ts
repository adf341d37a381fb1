// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory } from '@iolayers/dma-mapping'
import { createEventLoopScheduler, createKernel, createPrng } from '@iolayers/kernel'
import { afterEach, describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../../src/controller/index.ts'
import {
  AdminOpcode,
  Cns,
  DISCOVERY_NQN,
  DiscoveryLogEntryLayout,
  DiscoveryLogHeaderLayout,
  decode,
  IdCtrlLayout,
  LogId,
  NvmOpcode,
  Reg,
  TcpFatalError,
} from '../../../src/spec/index.ts'
import {
  PduWriter,
  serve,
  type TargetLimits,
  type TargetNamespace,
  type TcpTarget,
} from '../../../src/tcp/index.ts'
import { pattern } from '../../sim/host/rig.ts'
import { type ClientInit, TcpClient } from '../../tcp-client.ts'

const NQN = 'nqn.2026-11.org.iolayers:disk'
const SIZE = 4 << 20
const open: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function target(limits: TargetLimits = {}, allowHosts?: readonly string[]) {
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 2 * SIZE, backing: 'plain' })
  const store = createMemoryStore({ kernel, memory }, { sizeBytes: SIZE })
  const subsystem = {
    nqn: NQN,
    namespaces: [{ nsid: 1, store }],
    ...(allowHosts && { allowHosts }),
  }
  const served: TcpTarget = await serve({ kernel }, { subsystems: [subsystem], port: 0, limits })
  open.push(async () => {
    await served.close()
    await served.close()
    expect([served.connections, served.associations]).toEqual([0, 0])
    await scheduler.run('close', store.close())
  })
  const medium = (): Uint8Array => store.segments[0] ?? new Uint8Array()
  return { served, medium, port: served.port }
}

async function client(port: number, init: ClientInit = {}): Promise<TcpClient> {
  const one = await TcpClient.open(port, init)
  open.push(async () => {
    one.socket.destroy()
    await one.closed
  })
  return one
}

/** An admin queue that is ready, and an I/O queue. */
async function host(port: number, init: ClientInit & { readonly noFlowControl?: boolean } = {}) {
  const { noFlowControl = false, ...clientInit } = init
  const admin = await client(port, clientInit)
  const { status, low } = await admin.connectQueue({ subsystem: NQN, noFlowControl })
  expect(status).toBe(0)
  await admin.enable()
  const io = await client(port, clientInit)
  const made = await io.connectQueue({ subsystem: NQN, qid: 1, controllerId: low, noFlowControl })
  expect(made.status).toBe(0)
  return { admin, io, controllerId: low }
}

const blocks = (first: number, count: number) => ({ 40: first, 48: count - 1 })

describe('a target', () => {
  it('is a controller: properties, Identify, queues', async () => {
    const { port, served } = await target()
    const { admin, controllerId } = await host(port)
    expect(served).toMatchObject({ host: '127.0.0.1', connections: 2, associations: 1 })
    expect((await admin.property(Reg.VS)).low).toBe(0x2_0100)
    // Linux reads it, for how long to wait until the controller is ready.
    expect((await admin.property(Reg.CRTO)).status).toBe(0)
    const cap = await admin.property(Reg.CAP, 8)
    expect([cap.low & 0xffff, cap.high & 0xf]).toEqual([127, 0])
    const { data } = await admin.exec({
      opcode: AdminOpcode.IDENTIFY,
      dwords: { 40: Cns.CONTROLLER },
      dataIn: 4096,
    })
    const id = decode(IdCtrlLayout, data)
    expect(id).toMatchObject({ SUBNQN: NQN, CNTLID: controllerId, IOCCSZ: 516, IORCSZ: 1 })
    expect(id).toMatchObject({ MSDBD: 1, ICDOFF: 0, MAXCMD: 128, CMIC: 2 })
    expect(id.SGLS).toBe(0x34_0001)
    // Too late: there is one by now.
    const count = { opcode: AdminOpcode.SET_FEATURES, dwords: { 40: 7, 44: 0x003f_003f } }
    expect((await admin.exec(count)).status & 0x7ff).toBe(0x00c)
    const other = await client(port)
    await other.connectQueue({ subsystem: NQN })
    await other.enable()
    expect((await other.exec(count)).low).toBe(0x0007_0007)
  })

  const ways: readonly (ClientInit & { readonly noFlowControl?: boolean })[] = [
    {},
    { headerDigest: true, dataDigest: true },
    { dataDigest: true, dataAlignmentBytes: 128 },
    { noFlowControl: true },
  ]

  it.each(ways)('moves data, its host having said %j', async (init) => {
    const { port, medium } = await target()
    const { io } = await host(port, init)
    for (const [length, inCapsule] of [
      [512, true],
      [8192, true],
      [4096, false],
      [131_072, false],
      [1 << 20, false],
    ] as const) {
      const bytes = pattern(length, length & 0xff)
      const range = { nsid: 1, dwords: blocks(64, length / 512) }
      const write = { opcode: NvmOpcode.WRITE, ...range, dataOut: bytes, inCapsule }
      expect((await io.exec(write)).status).toBe(0)
      expect(Buffer.compare(medium().subarray(32_768, 32_768 + length), bytes)).toBe(0)
      const read = await io.exec({ opcode: NvmOpcode.READ, ...range, dataIn: length })
      expect(read.status).toBe(0)
      expect(Buffer.compare(read.data, bytes)).toBe(0)
      expect(read.isShort).toBe('noFlowControl' in init)
      const compare = { opcode: NvmOpcode.COMPARE, ...range, dataOut: bytes, inCapsule }
      expect((await io.exec(compare)).status).toBe(0)
    }
    expect((await io.exec({ opcode: NvmOpcode.FLUSH, nsid: 1 })).status).toBe(0)
    const beyond = { opcode: NvmOpcode.READ, nsid: 1, dwords: blocks(SIZE / 512, 1), dataIn: 512 }
    expect((await io.exec(beyond)).status & 0x7ff).toBe(0x080)
  })

  it.each([true, false])(
    'takes more data than a command needs, as Linux sends it (in capsule %s)',
    async (inCapsule) => {
      const { port, medium } = await target()
      const { io } = await host(port)
      medium().fill(0x5a)
      const dataOut = new Uint8Array(4096)
      new DataView(dataOut.buffer).setUint32(4, 8, true)
      const discard = { opcode: NvmOpcode.DATASET_MANAGEMENT, nsid: 1, dwords: { 40: 0, 44: 4 } }
      expect((await io.exec({ ...discard, dataOut, inCapsule })).status).toBe(0)
      expect([medium()[0], medium()[4095], medium()[4096]]).toEqual([0, 0, 0x5a])
    },
  )

  it('has room for few bytes, and many wait for it', async () => {
    const { port, medium } = await target({ dataBytes: 1 << 20, mdtsBytes: 1 << 20 })
    const { io } = await host(port)
    const bytes = pattern(1 << 20, 3)
    medium().set(bytes)
    const range = { nsid: 1, dwords: blocks(0, 2048) }
    const reads = Array.from({ length: 8 }, () =>
      io.exec({ opcode: NvmOpcode.READ, ...range, dataIn: 1 << 20 }),
    )
    const writes = Array.from({ length: 4 }, () =>
      io.exec({ opcode: NvmOpcode.WRITE, ...range, dataOut: bytes }),
    )
    for (const { status, data } of await Promise.all(reads)) {
      expect(status).toBe(0)
      expect(Buffer.compare(data, bytes)).toBe(0)
    }
    for (const { status } of await Promise.all(writes)) expect(status).toBe(0)
  })

  it('serves several hosts, each with a controller of its own', async () => {
    const { port, served } = await target()
    const [one, two] = [await host(port), await host(port)]
    expect(one.controllerId).not.toBe(two.controllerId)
    expect(served.associations).toBe(2)
    const bytes = pattern(4096, 8)
    const range = { nsid: 1, dwords: blocks(0, 8) }
    await one.io.exec({ opcode: NvmOpcode.WRITE, ...range, dataOut: bytes })
    const { data } = await two.io.exec({ opcode: NvmOpcode.READ, ...range, dataIn: 4096 })
    expect(Buffer.compare(data, bytes)).toBe(0)
    one.admin.socket.destroy()
    await one.io.closed
    expect(served.associations).toBe(1)
    expect((await two.io.exec({ opcode: NvmOpcode.FLUSH, nsid: 1 })).status).toBe(0)
  })

  it('gives an I/O queue up when it is disconnected, and makes it again', async () => {
    const { port } = await target()
    const { admin, io, controllerId } = await host(port)
    expect((await io.exec({ opcode: 0x7f, nsid: 0x08 })).status).toBe(0)
    await io.closed
    expect((await admin.property(Reg.CSTS)).low & 1).toBe(1)
    let status = -1
    for (let tries = 0; tries < 50 && status !== 0; tries++) {
      const again = await client(port)
      const made = await again.connectQueue({ subsystem: NQN, qid: 1, controllerId })
      status = made.status
      // Busy, and not for good, as long as the controller has the old one.
      expect([0, 0x181]).toContain(status)
      if (status === 0) {
        expect((await again.exec({ opcode: NvmOpcode.FLUSH, nsid: 1 })).status).toBe(0)
      }
    }
    expect(status).toBe(0)
    expect((await admin.exec({ opcode: 0x7f, nsid: 0x08 })).status & 0x7ff).toBe(0x185)
  })

  it('ends with a host that falls silent, and not with one that does not', async () => {
    const { port, served } = await target()
    const [quiet, alive] = [await client(port), await client(port)]
    expect((await quiet.connectQueue({ subsystem: NQN, keepAliveMs: 300 })).status).toBe(0)
    expect((await alive.connectQueue({ subsystem: NQN, keepAliveMs: 300 })).status).toBe(0)
    await alive.enable()
    let isQuietGone = false
    void quiet.closed.then(() => {
      isQuietGone = true
    })
    while (!isQuietGone) {
      expect((await alive.exec({ opcode: AdminOpcode.KEEP_ALIVE })).status).toBe(0)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(served.associations).toBe(1)
  })

  it('aborts what a host has, by the names that the host has for it', async () => {
    const { port } = await target()
    const { admin } = await host(port)
    const event = admin.exec({ opcode: AdminOpcode.ASYNC_EVENT_REQUEST })
    // The identifiers of this client count up.
    const next = admin.encode({ opcode: 0 }).commandId
    const abort = await admin.exec({
      opcode: AdminOpcode.ABORT,
      dwords: { 40: ((next - 1) << 16) >>> 0 },
    })
    expect([abort.status, abort.low & 1]).toEqual([0, 0])
    expect((await event).status & 0x7ff).toBe(0x007)
  })
})

describe('namespaces that change while they are served', () => {
  it('hosts are told, and find them', async () => {
    const { port, served } = await target()
    const { admin, io } = await host(port)
    const scheduler = createEventLoopScheduler()
    const kernel = createKernel({ scheduler })
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 8 << 20, backing: 'plain' })
    const makeStore = (sizeBytes: number) => createMemoryStore({ kernel, memory }, { sizeBytes })
    const [small, large] = [makeStore(1 << 20), makeStore(2 << 20)]
    const event = () => admin.exec({ opcode: AdminOpcode.ASYNC_EVENT_REQUEST })
    const on = { opcode: AdminOpcode.SET_FEATURES, dwords: { 40: 0x0b, 44: 0x100 } }
    expect((await admin.exec(on)).status).toBe(0)
    const readChanges = async (): Promise<number[]> => {
      const dwords = { 40: LogId.CHANGED_NAMESPACES | (1023 << 16) }
      const command = { opcode: AdminOpcode.GET_LOG_PAGE, dwords, dataIn: 4096 }
      const { data } = await admin.exec(command)
      return [...new Uint32Array(data.buffer, 0, 4)].filter((nsid) => nsid > 0)
    }
    await readChanges()
    const flush = async (nsid: number): Promise<number> =>
      (await io.exec({ opcode: NvmOpcode.FLUSH, nsid })).status & 0x7ff
    let told = event()
    served.addNamespace(NQN, { nsid: 2, store: small })
    expect((await told).low).toBe(0x04_00_02)
    expect(await readChanges()).toEqual([2])
    expect(await flush(2)).toBe(0)
    told = event()
    served.replaceNamespace(NQN, { nsid: 2, store: large })
    await told
    expect(await readChanges()).toEqual([2])
    const last = { opcode: NvmOpcode.READ, nsid: 2, dwords: blocks(4095, 1), dataIn: 512 }
    expect((await io.exec(last)).status).toBe(0)
    // A host that comes later finds them, too.
    const later = await host(port)
    expect((await later.io.exec(last)).status).toBe(0)
    told = event()
    served.removeNamespace(NQN, 2)
    await told
    // It could be there, and is not: Invalid Field.
    expect(await flush(2)).toBe(0x002)
    expect(await flush(1)).toBe(0)
    expect(() => served.removeNamespace(NQN, 2)).toThrow(/no namespace 2/)
    expect(() => served.addNamespace(NQN, { nsid: 1, store: small })).toThrow(/already/)
    expect(() => served.addNamespace('nqn.none', { nsid: 1, store: small })).toThrow(/no subsystem/)
  })
})

describe('discovery', () => {
  it('names the subsystems that let the host in, and where they are', async () => {
    const scheduler = createEventLoopScheduler()
    const kernel = createKernel({ scheduler })
    const subsystems = [
      { nqn: NQN, namespaces: [] },
      { nqn: `${NQN}-closed`, namespaces: [], allowHosts: ['nqn.2026-11.org.other'] },
      { nqn: `${NQN}-2`, namespaces: [] },
    ]
    const served = await serve({ kernel }, { subsystems, port: 0 })
    open.push(() => served.close())
    const admin = await client(served.port)
    const connected = await admin.connectQueue({ subsystem: DISCOVERY_NQN })
    expect(connected.status).toBe(0)
    await admin.enable()
    const identify = { opcode: AdminOpcode.IDENTIFY, dwords: { 40: Cns.CONTROLLER }, dataIn: 4096 }
    expect(decode(IdCtrlLayout, (await admin.exec(identify)).data)).toMatchObject({
      CNTRLTYPE: 2,
      SUBNQN: DISCOVERY_NQN,
    })
    const log = async (offset: number, length: number) =>
      await admin.exec({
        opcode: AdminOpcode.GET_LOG_PAGE,
        dwords: { 40: LogId.DISCOVERY | ((length / 4 - 1) << 16), 48: offset },
        dataIn: length,
      })
    const header = decode(DiscoveryLogHeaderLayout, (await log(0, 1024)).data)
    expect(header).toEqual({ GENCTR: 1n, NUMREC: 2n, RECFMT: 0 })
    const { data } = await log(1024, 2048)
    const entries = [0, 1024].map((at) =>
      decode(DiscoveryLogEntryLayout, data.subarray(at, at + 1024)),
    )
    expect(entries.map(({ SUBNQN }) => SUBNQN)).toEqual([NQN, `${NQN}-2`])
    expect(entries[0]).toMatchObject({
      TRTYPE: 3,
      ADRFAM: 1,
      SUBTYPE: 2,
      TRADDR: '127.0.0.1',
      TRSVCID: String(served.port),
      CNTLID: 0xffff,
    })
    const io = await client(served.port)
    const queue = { subsystem: DISCOVERY_NQN, qid: 1, controllerId: connected.low }
    expect((await io.connectQueue(queue)).status & 0x7ff).toBe(0x185)
    // Where they are they are found; and no other controller has the page.
    const disk = await client(served.port)
    expect((await disk.connectQueue({ subsystem: NQN })).status).toBe(0)
    await disk.enable()
    const page = { opcode: AdminOpcode.GET_LOG_PAGE, dwords: { 40: LogId.DISCOVERY | (3 << 16) } }
    expect((await disk.exec({ ...page, dataIn: 16 })).status & 0x7ff).toBe(0x109)
  })
})

describe('what a target refuses', () => {
  it.each([
    [
      'a subsystem that is not there',
      { subsystem: 'nqn.2026-11.org.iolayers:none' },
      0x182,
      0x1_0100,
    ],
    ['a host that is not allowed', { subsystem: NQN, host: 'nqn.2026-11.org.other' }, 0x184, 0],
    ['a host without a name', { subsystem: NQN, host: '' }, 0x182, 0x1_0200],
    ['a queue without entries', { subsystem: NQN, entries: 1 }, 0x182, 44],
    ['a queue that is too long', { subsystem: NQN, entries: 129 }, 0x182, 44],
    ['a controller of its choice', { subsystem: NQN, controllerId: 7 }, 0x182, 0x1_0010],
    ['an I/O queue of no controller', { subsystem: NQN, qid: 1, controllerId: 7 }, 0x182, 0x1_0010],
  ] as const)('%s', async (_name, init, status, low) => {
    const { port } = await target({}, ['nqn.2014-08.org.nvmexpress:uuid:host', ''])
    const one = await client(port)
    const result = await one.connectQueue(init)
    expect([result.status & 0x7ff, result.low]).toEqual([status, low])
    // It may try again.
    expect((await one.connectQueue({ subsystem: NQN })).status).toBe(0)
  })

  it('an I/O queue before the controller is ready, twice, or of another host', async () => {
    const { port } = await target()
    const admin = await client(port)
    const { low: controllerId } = await admin.connectQueue({ subsystem: NQN })
    const early = await client(port)
    const queue = { subsystem: NQN, qid: 1, controllerId }
    expect((await early.connectQueue(queue)).status & 0x7ff).toBe(0x00c)
    await admin.enable()
    expect((await early.connectQueue(queue)).status).toBe(0)
    const other = await client(port)
    expect((await other.connectQueue(queue)).status & 0x7ff).toBe(0x182)
    const stranger = { ...queue, qid: 2, host: 'nqn.2014-08.org.nvmexpress:uuid:other' }
    expect((await other.connectQueue(stranger)).status & 0x7ff).toBe(0x182)
    expect((await other.connectQueue({ ...queue, qid: 9 })).status & 0x7ff).toBe(0x182)
  })

  it('commands that a fabric has not, and data where none can be', async () => {
    const { port } = await target()
    const { admin, io } = await host(port)
    for (const opcode of [0x00, 0x01, 0x04, 0x05, 0x7c]) {
      expect((await admin.exec({ opcode })).status & 0x7ff).toBe(0x001)
    }
    expect((await admin.property(0x20)).status & 0x7ff).toBe(0x002)
    expect((await admin.property(Reg.CAP, 4)).status & 0x7ff).toBe(0x002)
    expect((await admin.setProperty(Reg.CSTS, 0)).status & 0x7ff).toBe(0x002)
    expect((await io.property(Reg.CSTS)).status & 0x7ff).toBe(0x001)
    const read = { opcode: NvmOpcode.READ, nsid: 1, dwords: blocks(0, 1) }
    // Keyed, as for RDMA.
    const keyed = { ...read, dwords: { ...read.dwords, 32: 512, 36: 0x40 << 24 } }
    expect((await io.exec(keyed)).status & 0x7ff).toBe(0x011)
    expect((await io.exec({ ...read, dataIn: 256 })).status & 0x7ff).toBe(0x00f)
    expect((await io.exec({ ...read, dataIn: 2 << 20 })).status & 0x7ff).toBe(0x002)
  })

  it('namespaces that no controller could have, before it listens', async () => {
    const scheduler = createEventLoopScheduler()
    const kernel = createKernel({ scheduler })
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 4 << 20, backing: 'plain' })
    const store = createMemoryStore({ kernel, memory }, { sizeBytes: 1 << 20 })
    const attempt = (namespaces: readonly TargetNamespace[]) =>
      serve({ kernel }, { subsystems: [{ nqn: NQN, namespaces }], port: 0 })
    const one = { nsid: 1, store }
    await expect(attempt([one, one])).rejects.toThrow(/the same identifier/)
    await expect(attempt([{ nsid: 257, store }])).rejects.toThrow(/nsid.*257/)
    await expect(attempt([{ ...one, logicalBlockBytes: 520 }])).rejects.toThrow(/520/)
  })

  it('a command before Connect', async () => {
    const { port } = await target()
    const one = await client(port)
    expect((await one.exec({ opcode: AdminOpcode.IDENTIFY })).status & 0x7ff).toBe(0x00c)
  })

  it('data with a wrong digest: the command, and not the connection', async () => {
    const { port, medium } = await target()
    const { io } = await host(port, { dataDigest: true })
    const good = io.writer
    io.writer = new PduWriter({ headerDigest: false, dataDigest: true, dataAlignmentBytes: 4 })
    io.writer.dataDigest = () => new Uint8Array(4)
    const write = { opcode: NvmOpcode.WRITE, nsid: 1, dwords: blocks(0, 1) }
    const dataOut = new Uint8Array(512).fill(7)
    for (const inCapsule of [true, false]) {
      const { status } = await io.exec({ ...write, dataOut, inCapsule })
      expect(status & 0x7ff).toBe(0x022)
    }
    expect(medium()[0]).toBe(0)
    io.writer = good
    expect((await io.exec({ ...write, dataOut })).status).toBe(0)
    expect(medium()[0]).toBe(7)
  })

  it('hosts beyond its limit, until there is room', async () => {
    const { port } = await target({ hosts: 1 })
    const first = await client(port)
    expect((await first.connectQueue({ subsystem: NQN })).status).toBe(0)
    const second = await client(port)
    const busy = await second.connectQueue({ subsystem: NQN })
    // Not for good: it may try again.
    expect(busy.status).toBe(0x181)
    first.socket.destroy()
    await first.closed
    let status = -1
    for (let tries = 0; tries < 100 && status !== 0; tries++) {
      status = (await second.connectQueue({ subsystem: NQN })).status
    }
    expect(status).toBe(0)
  })

  it('connections beyond its limit', async () => {
    const { port } = await target({ connections: 2 })
    await client(port)
    await client(port)
    const third = await TcpClient.raw(port)
    await third.closed
  })
})

describe('a hostile peer', () => {
  it('opens and drops an I/O queue again and again, with data asked for and not sent', async () => {
    const { port } = await target({ dataBytes: 1 << 20, queueEntries: 32 })
    const admin = await client(port)
    const { low: controllerId } = await admin.connectQueue({ subsystem: NQN })
    await admin.enable()
    for (let round = 0; round < 120; round++) {
      let status = -1
      let io = admin
      while (status !== 0) {
        io = await TcpClient.open(port)
        status = (await io.connectQueue({ subsystem: NQN, qid: 1, controllerId })).status
        if (status !== 0) io.socket.destroy()
      }
      const asked = new Promise<void>((resolve) => {
        io.pduEnd = () => resolve()
      })
      const write = { opcode: NvmOpcode.WRITE, nsid: 1, dwords: blocks(0, 2048) }
      io.socket.write(io.encode({ ...write, dataOut: new Uint8Array(1 << 20) }).bytes)
      await asked
      io.socket.destroy()
      await io.closed
    }
    const last = await client(port)
    let status = -1
    for (let tries = 0; tries < 50 && status !== 0; tries++) {
      status = (await last.connectQueue({ subsystem: NQN, qid: 1, controllerId })).status
    }
    const read = { opcode: NvmOpcode.READ, nsid: 1, dwords: blocks(0, 2048), dataIn: 1 << 20 }
    expect((await last.exec(read)).status).toBe(0)
  }, 60_000)

  const place = { commandId: 1, offsetBytes: 0, lengthBytes: 4, isLast: true }
  const none = { headerDigest: false, dataDigest: false, dataAlignmentBytes: 4 }

  it.each([
    ['data that nobody asked for', TcpFatalError.INVALID_PDU_HEADER],
    ['more commands than its queue has', TcpFatalError.PDU_SEQUENCE],
    ['no PDU', TcpFatalError.INVALID_PDU_HEADER],
  ] as const)('sends %s: it is told, and closed; others go on', async (what, fatalError) => {
    const { port } = await target()
    const [bad, good] = [await host(port), await host(port)]
    const writer = new PduWriter(none)
    const bytes = {
      'data that nobody asked for': () => [...writer.h2cData(place, 3), 0, 0, 0, 0],
      // They wait for data that does not come.
      'more commands than its queue has': () =>
        Array.from({ length: 40 }, () => [
          ...bad.io.encode({
            opcode: NvmOpcode.WRITE,
            nsid: 1,
            dwords: blocks(0, 1),
            dataOut: new Uint8Array(512),
          }).bytes,
        ]).flat(),
      'no PDU': () => [0xee, 0, 8, 0, 8, 0, 0, 0],
    }[what]()
    bad.io.pduEnd = () => {}
    const seen: number[] = []
    const { pduBegin } = bad.io
    bad.io.pduBegin = (header) => {
      pduBegin.call(bad.io, header)
      if (header.type === 3) seen.push(header.view.getUint16(8, true))
    }
    bad.io.socket.write(Uint8Array.from(bytes))
    await bad.io.closed
    expect(seen).toEqual([fatalError])
    expect((await good.io.exec({ opcode: NvmOpcode.FLUSH, nsid: 1 })).status).toBe(0)
  })

  it('sends anything: 300 connections, and the target serves on', async () => {
    const { port, served } = await target()
    const good = await host(port)
    const prng = createPrng(5)
    for (let round = 0; round < 300; round++) {
      const one = await (prng.below(3) === 0 ? TcpClient.raw(port) : TcpClient.open(port))
      one.pduBegin = () => {}
      one.pduData = () => {}
      one.pduEnd = () => {}
      if (prng.below(2) === 0) {
        const { bytes } = one.encode({ opcode: 0x7f, nsid: prng.below(10), dataIn: 4096 })
        const changed = bytes.slice()
        for (let i = prng.below(6); i > 0; i--) changed[prng.below(72)] = prng.below(256)
        one.socket.write(changed)
      }
      one.socket.write(Uint8Array.from({ length: prng.below(600) }, () => prng.below(256)))
      if (prng.below(2) === 0) one.socket.destroy()
      else one.socket.end()
      await one.closed
    }
    expect((await good.io.exec({ opcode: NvmOpcode.FLUSH, nsid: 1 })).status).toBe(0)
    expect(served).toMatchObject({ connections: 2, associations: 1 })
  }, 60_000)
})
