// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, Plug, ReqOp } from '@iolayers/block-core'
import { createPrng, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  expectSameBytes,
  finish,
  pattern,
  probed,
  readRuns,
  type TestIo,
  vecIo,
  writeRuns,
} from './rig.ts'

const PAGES = 96

describe('nvme host: requests of several bios', () => {
  for (const sgls of [0, 1]) {
    it(`R-NVME-5: ${sgls === 0 ? 'PRP entries' : 'SGLs'} describe the data of all of them`, () => {
      const rig = probed({ twin: { namespaces: [{ nsid: 1, blocks: 32_768 }], sgls } })
      const frame = rig.memory.allocContiguous(PAGES)
      const random = createPrng(7)
      for (let round = 0; round < 30; round++) {
        const runs: { addr: number; length: number }[] = []
        for (let at = 0; at < PAGES - 4; ) {
          const offset = random.below(3) === 0 ? 512 * random.below(8) : 0
          const whole = 4096 * (1 + random.below(3))
          const length = random.below(3) === 0 ? 512 * (1 + random.below(8)) : whole - offset
          runs.push({ addr: (frame + at) * 4096 + offset, length })
          at += Math.ceil((offset + length) / 4096) + random.below(2)
        }
        const total = runs.reduce((sum, { length }) => sum + length, 0)
        const bytes = pattern(total, round)
        const each = (op: ReqOp): TestIo[] => {
          let sector = 8
          return runs.map((run) => {
            const io = vecIo(rig, [run], { op, sector })
            sector += run.length / 512
            return io
          })
        }
        const send = function* (ios: readonly TestIo[]): Op<void> {
          const plug = new Plug()
          for (const { bio } of ios) yield* rig.disk.submitBioWait(bio, plug)
          plug.finish()
          for (const io of ios) expect(yield* io.wait()).toBe(BlkStatus.OK)
        }
        writeRuns(rig, runs, bytes)
        rig.scheduler.runSync('write', send(each(ReqOp.WRITE)))
        const data = rig.twin.namespaces.get(1)?.data ?? new Uint8Array()
        expectSameBytes(data.subarray(8 * 512, 8 * 512 + total), bytes)
        writeRuns(rig, runs, new Uint8Array(total))
        rig.scheduler.runSync('read', send(each(ReqOp.READ)))
        expectSameBytes(readRuns(rig, runs), bytes)
      }
      expect(rig.disk.stats.merges).toBeGreaterThan(200)
      rig.memory.freeContiguous(frame, PAGES)
      finish(rig)
    })
  }
})
