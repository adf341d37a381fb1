// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op } from '@iolayers/kernel'
import {
  type BlkMqHwCtx,
  BlkStatus,
  createDisk,
  createTagSet,
  type Disk,
  Plug,
  ReqOp,
  type Request,
  type TagSet,
  type TagSetInit,
} from '../src/index.ts'
import {
  EndRecorder,
  type Machine,
  makeMachine,
  runBio,
  ScriptedDriver,
  tearDown,
} from './support.ts'

/** A driver that logs its callbacks and holds what it is given; `failAt` names one callback that throws. */
export class LoggingDriver extends ScriptedDriver {
  readonly log: string[] = []
  readonly hctxs: BlkMqHwCtx[] = []
  failAt = ''

  override initRequest(hctxIndex = 0, tag = 0): { requeued: number } {
    this.#say(`init ${hctxIndex}/${tag}`)
    return { requeued: 0 }
  }

  exitRequest(rq: Request, hctxIndex: number): void {
    this.#say(`exit ${hctxIndex}/${rq.tag}`)
  }

  initHctx(hctx: BlkMqHwCtx, index: number): void {
    this.#say(`+${hctx.disk.name}/${index}`)
    this.hctxs.push(hctx)
  }

  exitHctx(hctx: BlkMqHwCtx, index: number): void {
    this.#say(`-${hctx.disk.name}/${index}`)
  }

  #say(line: string): void {
    if (line === this.failAt) throw new KernelError('ENOMEM', `no memory for ${line}`)
    this.log.push(line)
  }
}

type Init = Partial<TagSetInit<{ requeued: number }>>

export interface TagSetRig {
  readonly machine: Machine
  readonly scheduler: Machine['scheduler']
  readonly driver: LoggingDriver
  readonly tagSet: TagSet
  readonly disks: Disk[]
  readonly end: EndRecorder
  submit(disk: Disk | undefined, cpu: number, opf?: number): BlkStatus
  submitWait(disk: Disk | undefined, cpu: number): void
  /** Disk and hardware queue of each request that the driver holds. */
  heldOn(): string[]
  /** Ends all, destroys the disks and the set. */
  finish(): void
}

/** Disks over one tag set. */
export function setUpTagSet(init: Init = {}, names: readonly string[] = ['a']): TagSetRig {
  const machine = makeMachine()
  const { kernel, scheduler } = machine
  const driver = new LoggingDriver(kernel, () => 'hold')
  const tagSet = createTagSet({ kernel }, { ops: driver, nrHwQueues: 1, queueDepth: 2, ...init })
  const disks = names.map((name) =>
    createDisk({ kernel, tagSet }, { name, capacitySectors: 1 << 20 }),
  )
  const end = new EndRecorder()
  const submit = (disk: Disk | undefined, cpu: number, opf: number = ReqOp.WRITE): BlkStatus => {
    const plug = new Plug({ cpu })
    const bio = runBio({ op: opf, sector: cpu, bytes: 512 }, end)
    const status = disk?.submitBio(bio, plug) ?? BlkStatus.INVAL
    plug.finish()
    return status
  }
  const submitWait = (disk: Disk | undefined, cpu: number): void => {
    if (disk === undefined) throw new Error('no such disk')
    const op = function* (): Op<void> {
      const plug = new Plug({ cpu })
      yield* disk.submitBioWait(runBio({ op: ReqOp.WRITE, sector: cpu, bytes: 512 }, end), plug)
      plug.finish()
    }
    scheduler.spawn(`submitter ${cpu}`, op())
  }
  const heldOn = () => driver.held.map((rq) => `${rq.mqHctx?.disk.name}/${rq.mqHctx?.queueNum}`)
  const finish = () => {
    driver.releaseHeld()
    scheduler.runUntilIdle()
    driver.releaseHeld()
    for (const disk of disks) tearDown(machine, disk)
    tagSet.destroy()
  }
  driver.log.length = 0
  return { machine, scheduler, driver, tagSet, disks, end, submit, submitWait, heldOn, finish }
}
