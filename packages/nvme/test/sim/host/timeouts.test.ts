// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, ReqOp } from '@iolayers/block-core'
import { type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { AdminOpcode } from '../../../src/spec/index.ts'
import type { TwinCommand, TwinVerdict } from './controller-twin.ts'
import {
  contiguousMap,
  dmabufIo,
  finish,
  probed,
  type RigInit,
  runIo,
  type TestIo,
  type TestMap,
} from './rig.ts'

const IO_TIMEOUT_NS = 1e9
const ADMIN_TIMEOUT_NS = 2e9
const limited: RigInit = { host: { ioTimeoutNs: IO_TIMEOUT_NS, adminTimeoutNs: ADMIN_TIMEOUT_NS } }

type ProbedRig = ReturnType<typeof probed>

const isIo = ({ qid }: TwinCommand): boolean => qid !== 0
const isAbort = ({ qid, opcode }: TwinCommand): boolean => qid === 0 && opcode === AdminOpcode.ABORT

/** What a controller makes of I/O commands and of aborts; other admin commands run. */
function judge(rig: ProbedRig, io: TwinVerdict, abort: TwinVerdict = 'run'): void {
  rig.twin.judge = (command) => (isIo(command) ? io : isAbort(command) ? abort : 'run')
}

function start(rig: ProbedRig, map: TestMap, count = 1): TestIo[] {
  const ios = Array.from({ length: count }, (_, i) =>
    dmabufIo(rig, map, i * 512, 512, { op: ReqOp.READ, sector: i }),
  )
  for (const io of ios) expect(rig.disk.submitBio(io.bio, null)).toBe(BlkStatus.OK)
  return ios
}

function passNs(rig: ProbedRig, ns: number): void {
  const op = function* (): Op<void> {
    yield* sleep(rig.scheduler, ns)
  }
  rig.scheduler.runSync('time passes', op())
}

describe('nvme host: commands that take too long', () => {
  it('no timer runs where no limit is set', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    judge(rig, 'hold')
    const [io] = start(rig, map)
    passNs(rig, 3600e9)
    expect(io?.ends).toBe(0)
    expect(rig.host.stats.timeouts).toBe(0)
    rig.twin.release()
    rig.scheduler.runUntilIdle()
    expect(io?.ends).toBe(1)
    map.destroy()
    finish(rig)
  })

  it('R-MQ-7: a lost interrupt is found by looking: the request ends well, nothing is aborted', () => {
    const rig = probed(limited)
    const map = contiguousMap(rig, 1)
    rig.twin.mute = true
    const [io] = start(rig, map)
    passNs(rig, IO_TIMEOUT_NS / 2)
    expect(io?.ends).toBe(0)
    passNs(rig, IO_TIMEOUT_NS)
    expect(io?.ends).toBe(1)
    expect(io?.bio.biStatus).toBe(BlkStatus.OK)
    expect(rig.host.stats).toMatchObject({ timeouts: 1, lostInterrupts: 1, aborts: 0, resets: 0 })
    rig.twin.mute = false
    map.destroy()
    finish(rig)
  })

  it('R-MQ-7 D3: the first expiry sends an Abort and drops nothing; the aborted command is tried again', () => {
    const rig = probed(limited)
    const map = contiguousMap(rig, 1)
    judge(rig, 'hold', 'hold')
    const [io] = start(rig, map)
    passNs(rig, IO_TIMEOUT_NS * 1.5)
    expect(rig.host.stats).toMatchObject({ timeouts: 1, aborts: 1, resets: 0 })
    expect(map.active).toBe(1)
    expect(io?.ends).toBe(0)
    const [held, abort] = rig.twin.held
    if (held === undefined || abort === undefined) throw new Error('nothing is held')
    expect(abort.command.sqe.getUint32(40, true)).toBe(1 | (held.command.cid << 16))
    judge(rig, 'run')
    rig.twin.release(1)
    rig.scheduler.runUntilIdle()
    expect(io?.ends).toBe(1)
    expect(io?.bio.biStatus).toBe(BlkStatus.OK)
    expect(map.activations).toBe(2)
    expect(rig.host.stats.retries).toBe(1)
    expect(rig.host.state).toBe('live')
    map.destroy()
    finish(rig)
  })

  it('Aborts are bounded by the limit of the controller; who gets none gets more time', () => {
    const rig = probed({ ...limited, twin: { acl: 1 } })
    const map = contiguousMap(rig, 1)
    judge(rig, 'hold', 'hold')
    start(rig, map, 4)
    passNs(rig, IO_TIMEOUT_NS * 1.5)
    expect(rig.host.stats).toMatchObject({ timeouts: 4, aborts: 2, resets: 0 })
    // Both are answered: there are two more to be had.
    judge(rig, 'hold', 'run')
    const aborts = rig.twin.held.filter(({ command }) => isAbort(command))
    for (const entry of aborts) rig.twin.release(rig.twin.held.indexOf(entry))
    rig.scheduler.runUntilIdle()
    judge(rig, 'run')
    while (rig.twin.held.length > 0) rig.twin.release()
    rig.scheduler.runUntilIdle()
    expect(map.active).toBe(0)
    map.destroy()
    finish(rig)
  })

  it('after a reset there are as many Aborts as the controller says then', () => {
    const twin = { acl: 0 }
    const rig = probed({ ...limited, twin })
    const map = contiguousMap(rig, 1)
    twin.acl = 2
    rig.scheduler.runSync('reset', rig.host.reset())
    judge(rig, 'hold', 'hold')
    start(rig, map, 4)
    passNs(rig, IO_TIMEOUT_NS * 1.5)
    expect(rig.host.stats).toMatchObject({ timeouts: 4, aborts: 3, resets: 1 })
    judge(rig, 'run')
    while (rig.twin.held.length > 0) rig.twin.release()
    rig.scheduler.runUntilIdle()
    map.destroy()
    finish(rig)
  })

  it('R-MQ-7 D3: the second expiry resets the controller, which cancels the command and sends it again', () => {
    const rig = probed(limited)
    const map = contiguousMap(rig, 1)
    judge(rig, 'drop', 'run')
    const [io] = start(rig, map)
    passNs(rig, IO_TIMEOUT_NS * 1.5)
    expect(rig.host.stats).toMatchObject({ timeouts: 1, aborts: 1, resets: 0, cancelled: 0 })
    expect(map.active).toBe(1)
    judge(rig, 'run')
    passNs(rig, IO_TIMEOUT_NS)
    expect(rig.host.stats).toMatchObject({ timeouts: 2, aborts: 1, resets: 1, cancelled: 1 })
    expect(io?.ends).toBe(1)
    expect(io?.bio.biStatus).toBe(BlkStatus.OK)
    expect(map.activations).toBe(2)
    expect(rig.twin.enables).toBe(2)
    expect(rig.host.state).toBe('live')
    map.destroy()
    finish(rig)
  })

  it('an Abort that was answered has no time to run out of', () => {
    const rig = probed(limited)
    const map = contiguousMap(rig, 1)
    judge(rig, 'hold', 'run')
    const [io] = start(rig, map)
    passNs(rig, IO_TIMEOUT_NS * 1.5)
    expect(rig.host.stats).toMatchObject({ timeouts: 1, aborts: 1 })
    rig.twin.release()
    rig.scheduler.runUntilIdle()
    expect(io?.ends).toBe(1)
    passNs(rig, ADMIN_TIMEOUT_NS * 2)
    expect(rig.host.stats).toMatchObject({ timeouts: 1, lostInterrupts: 0, resets: 0 })
    map.destroy()
    finish(rig)
  })

  it('an Abort that is not answered in time resets the controller, too', () => {
    const rig = probed({ host: { ioTimeoutNs: 10e9, adminTimeoutNs: 1e9 } })
    const map = contiguousMap(rig, 1)
    judge(rig, 'hold', 'drop')
    const [io] = start(rig, map)
    passNs(rig, 10.5e9)
    expect(rig.host.stats).toMatchObject({ aborts: 1, resets: 0 })
    judge(rig, 'run')
    passNs(rig, 1e9)
    expect(rig.host.stats).toMatchObject({ timeouts: 2, resets: 1, cancelled: 1 })
    expect(io?.ends).toBe(1)
    map.destroy()
    finish(rig)
  })

  it('the interrupt of an Abort may get lost, too', () => {
    const rig = probed({ host: { ioTimeoutNs: 10e9, adminTimeoutNs: 1e9 } })
    const map = contiguousMap(rig, 1)
    judge(rig, 'drop', 'run')
    start(rig, map)
    rig.twin.mute = true
    passNs(rig, 11.5e9)
    expect(rig.host.stats).toMatchObject({ timeouts: 2, lostInterrupts: 1, aborts: 1, resets: 0 })
    rig.twin.mute = false
    judge(rig, 'run')
    passNs(rig, 10e9)
    expect(rig.host.stats).toMatchObject({ resets: 1, cancelled: 1 })
    map.destroy()
    finish(rig)
  })

  it('a controller in fatal error is reset at the first expiry, without an Abort', () => {
    const rig = probed(limited)
    const map = contiguousMap(rig, 1)
    judge(rig, 'drop')
    const [io] = start(rig, map)
    passNs(rig, IO_TIMEOUT_NS / 2)
    rig.twin.stuck = 'fatal'
    judge(rig, 'run')
    rig.twin.onDisable = () => {
      rig.twin.stuck = 'no'
    }
    passNs(rig, IO_TIMEOUT_NS)
    rig.scheduler.runUntilIdle()
    expect(rig.host.stats).toMatchObject({ timeouts: 1, aborts: 0, resets: 1, cancelled: 1 })
    expect(io?.bio.biStatus).toBe(BlkStatus.OK)
    map.destroy()
    finish(rig)
  })

  it('F13: a request is cancelled so often and no more, and then ends with IOERR', () => {
    const rig = probed({ host: { ioTimeoutNs: IO_TIMEOUT_NS, maxRetries: 2 } })
    const map = contiguousMap(rig, 1)
    judge(rig, 'drop')
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))).toBe(
      BlkStatus.IOERR,
    )
    expect(rig.host.stats).toMatchObject({ resets: 3, cancelled: 3, retries: 2, aborts: 3 })
    expect(map.activations).toBe(3)
    expect(map.active).toBe(0)
    judge(rig, 'run')
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))).toBe(BlkStatus.OK)
    map.destroy()
    finish(rig)
  })

  it('what is done is traced', () => {
    const rig = probed(limited)
    const map = contiguousMap(rig, 1)
    const seen: string[] = []
    const stop = rig.kernel.tracer.subscribe(
      (name) => ['nvme_timeout', 'nvme_cancel_request', 'nvme_ctrl_state'].includes(name),
      ({ point, values }) => seen.push(`${point} ${values.join(' ')}`),
    )
    judge(rig, 'drop')
    start(rig, map)
    passNs(rig, IO_TIMEOUT_NS * 1.5)
    judge(rig, 'run')
    passNs(rig, IO_TIMEOUT_NS)
    stop()
    expect(seen).toEqual([
      'nvme_timeout nvme0n1 0 1 4096 abort',
      'nvme_timeout nvme0n1 0 1 4096 reset controller',
      'nvme_ctrl_state 0 live resetting',
      'nvme_cancel_request nvme0n1 0 1 4096',
      'nvme_ctrl_state 0 resetting connecting',
      'nvme_ctrl_state 0 connecting live',
    ])
    map.destroy()
    finish(rig)
  })
})
