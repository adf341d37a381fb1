// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type File, type Op, OpenFlags } from '@iolayers/kernel'
import { IovIter, ITER_DEST, ITER_SOURCE, type Kiocb } from '@iolayers/uio'
import {
  BlkStatus,
  createBlockDeviceFile,
  type Disk,
  type DmabufFile,
  type DmabufIoMap,
  dmabufFile,
  type Plug,
} from '../src/index.ts'
import {
  type DiskSetup,
  type KiocbRecorder,
  type Machine,
  makeDisk,
  makeMachine,
  newKiocb,
  ScriptedDriver,
  tearDown,
} from './support.ts'

export const RDWR: number = OpenFlags.O_RDWR | OpenFlags.O_DIRECT

export interface OpenedFile extends Machine {
  readonly driver: ScriptedDriver
  readonly disk: Disk
  readonly file: File
  readonly io: DmabufFile
}

export function openFile(
  setup: DiskSetup & { maxIos?: number } = {},
  decide: ConstructorParameters<typeof ScriptedDriver>[1] = () => BlkStatus.OK,
): OpenedFile {
  const machine = makeMachine()
  const driver = new ScriptedDriver(machine.kernel, decide)
  const disk = makeDisk(machine.kernel, driver, setup)
  const init = { flags: RDWR, ...(setup.maxIos ? { maxIos: setup.maxIos } : {}) }
  const file = createBlockDeviceFile({ kernel: machine.kernel, disk }, init)
  return { ...machine, driver, disk, file, io: fileOf(file) }
}

export function fileOf(file: File): DmabufFile {
  const io = file.query(dmabufFile)
  if (io === undefined) throw new Error('no dmabuf file')
  return io
}

export function closeFile(opened: OpenedFile): void {
  opened.file.put()
  tearDown(opened, opened.disk)
}

export type Segments = readonly (readonly [frame: number, offset: number, length: number])[]

export function vecIter(
  type: 'iovec' | 'kvec' | 'bvec',
  segments: Segments,
  write = false,
): IovIter<DmabufIoMap> {
  const list = segments.map(([frame, offsetBytes, lengthBytes]) => ({
    frame,
    offsetBytes,
    lengthBytes,
  }))
  const total = list.reduce((sum, each) => sum + each.lengthBytes, 0)
  const iter = new IovIter<DmabufIoMap>()
  const direction = write ? ITER_SOURCE : ITER_DEST
  if (type === 'iovec') iter.initIovec(direction, list, list.length, total)
  else if (type === 'kvec') iter.initKvec(direction, list, list.length, total)
  else iter.initBvec(direction, list, list.length, total)
  return iter
}

/** Runs that touch nowhere. */
export function apart(runs: number, lengthBytes: number): Segments {
  return Array.from({ length: runs }, (_, i) => [2 * i + 1, 0, lengthBytes] as const)
}

export function runOp(opened: Machine, op: Op<number>): number {
  return opened.scheduler.runSync('io', op)
}

export function newInit(recorder: KiocbRecorder, file: File): Kiocb<Plug> {
  const kiocb = newKiocb(recorder)
  kiocb.init(file, 0)
  return kiocb
}
