// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { expectNothingLeft, finish, makeRig, probed } from './rig.ts'

function probeError(
  init: Parameters<typeof makeRig>[0],
  prepare = (_rig: ReturnType<typeof makeRig>) => {},
): KernelError {
  const rig = makeRig(init)
  prepare(rig)
  try {
    rig.scheduler.runSync('probe', rig.host.probe())
  } catch (error) {
    expectNothingLeft(rig)
    expect(rig.host.disks).toEqual([])
    if (error instanceof KernelError) return error
    throw error
  }
  throw new Error('the probe went well')
}

describe('nvme host: probe and shutdown', () => {
  it('enables the controller, makes queues and one disk for each namespace', () => {
    const rig = probed({
      host: { ioQueues: 3, queueDepth: 16 },
      twin: {
        namespaces: [
          { nsid: 1, blocks: 2048 },
          { nsid: 5, blocks: 512, lbaShift: 12, writeProtected: true },
        ],
      },
    })
    const [first, second] = rig.host.disks
    expect(rig.host.disks.map((disk) => disk.name)).toEqual(['nvme0n1', 'nvme0n5'])
    expect(first?.capacitySectors).toBe(2048)
    expect(second?.capacitySectors).toBe(4096)
    expect(second?.limits.logicalBlockSizeBytes).toBe(4096)
    expect(second?.readOnly).toBe(true)
    expect(first?.nrRequests).toBe(48)
    expect(rig.host.controller?.modelNumber).toBe('A controller twin')
    expect(rig.twin.ioQueues).toBe(3)
    finish(rig)
    expect(rig.twin.ioQueues).toBe(0)
    expect(rig.twin.read32(0x1c) & 0xc).toBe(8)
  })

  it('takes the queues that it is granted, and entries that a queue can have', () => {
    const rig = probed({
      host: { ioQueues: 8, queueDepth: 100 },
      twin: { queuesGranted: 2, mqes: 17 },
    })
    expect(rig.disk.nrRequests).toBe(2 * 16)
    finish(rig)
  })

  it('honours the doorbell stride', () => {
    const rig = probed({ twin: { dstrd: 2 } })
    finish(rig)
  })

  it('uses the command set register of a controller that only has command sets to choose', () => {
    const rig = probed({ twin: { css: 1 << 6 } })
    expect((rig.twin.read32(0x14) >>> 4) & 7).toBe(6)
    finish(rig)
  })

  it('can be probed again by another host after a shutdown', () => {
    const rig = probed()
    rig.scheduler.runSync('shutdown', rig.host.shutdown())
    rig.scheduler.runSync('shutdown again', rig.host.shutdown())
    expectNothingLeft(rig)
    expect(() => rig.scheduler.runSync('probe', rig.host.probe())).toThrow(/probed before/)
  })

  it('makes no disk of namespaces that it cannot drive, and says why', () => {
    const rig = makeRig({
      twin: {
        namespaces: [
          { nsid: 1, blocks: 8, metadata: 8 },
          { nsid: 2, blocks: 8, lbaShift: 8 },
          { nsid: 3, blocks: 8, lbaShift: 17 },
        ],
      },
    })
    rig.scheduler.runSync('probe', rig.host.probe())
    expect(rig.host.disks).toEqual([])
    expect(rig.host.ignoredNamespaces).toEqual([
      { nsid: 1, reason: 'metadata of 8 bytes' },
      { nsid: 2, reason: 'logical blocks of 2^8 bytes' },
      { nsid: 3, reason: 'logical blocks of 2^17 bytes' },
    ])
    finish(rig)
  })

  it('lists more namespaces than one list holds', () => {
    const namespaces = Array.from({ length: 1025 }, (_, i) => ({ nsid: i + 1, blocks: 8 }))
    const rig = makeRig({ twin: { namespaces }, host: { queueDepth: 2 } })
    rig.scheduler.runSync('probe', rig.host.probe())
    expect(rig.host.disks.length).toBe(1025)
    finish(rig)
  })

  it.each([
    ['never-ready', 'ENODEV', /initialisation: not done within 1500 ms/],
    ['fatal', 'EIO', /fatal status, CSTS=0x2/],
    ['gone', 'ENODEV', /no controller answers/],
    ['never-disabled', 'ENODEV', /reset: not done/],
  ] as const)('fails cleanly: %s', (stuck, code, message) => {
    const error = probeError({}, (rig) => {
      rig.twin.stuck = stuck
    })
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  it('a controller that vanishes while it is waited for is ENODEV', () => {
    const rig = makeRig()
    rig.twin.stuck = 'never-ready'
    const task = rig.scheduler.spawn('probe', rig.host.probe())
    task.observed = true
    const vanish = function* (): Op<void> {
      yield* sleep(rig.scheduler, 5e6)
      rig.twin.stuck = 'gone'
    }
    rig.scheduler.spawn('vanish', vanish())
    rig.scheduler.runUntilIdle()
    expect(task.outcome?.ok).toBe(false)
    expect(() => {
      if (task.outcome?.ok === false) throw task.outcome.error
    }).toThrow(/the controller is gone/)
    expectNothingLeft(rig)
  })

  it('refuses controllers that it cannot drive', () => {
    expect(probeError({ twin: { mpsMin: 1 } }).message).toMatch(/smallest page is 8192/)
    expect(probeError({ twin: { css: 0 } }).message).toMatch(/no NVM command set/)
  })

  it.each([0x06, 0x09, 0x05, 0x01])(
    'ends with the errno of a failed admin command %i',
    (opcode) => {
      const error = probeError({}, (rig) => {
        rig.twin.judge = (command) => (command.opcode === opcode ? { status: 0x4002 } : 'run')
      })
      expect(error.code).toBe('EOPNOTSUPP')
      expect(error.message).toMatch(/SCT 0h SC 02h DNR/)
    },
  )

  it('an admin command without an answer times out, and its memory is given back when the controller is off', () => {
    const error = probeError({ host: { adminTimeoutNs: 1e9 } }, (rig) => {
      rig.twin.judge = () => 'drop'
    })
    expect(error.code).toBe('ETIMEDOUT')
    expect(error.message).toMatch(/06h: no completion within 1000 ms/)
  })

  it('a shutdown that does not complete is reported, and everything is given back', () => {
    const rig = probed({ host: { shutdownTimeoutNs: 1e9 } })
    rig.twin.stuck = 'no-shutdown'
    expect(() => rig.scheduler.runSync('shutdown', rig.host.shutdown())).toThrow(
      /shutdown: not done within 1000 ms/,
    )
    expectNothingLeft(rig)
  })

  it('out of memory leaves nothing behind', () => {
    // Each size runs out at another place.
    for (let ramBytes = 4096; ramBytes < 512 << 10; ramBytes += 4096 * 7) {
      const error = probeError({ ramBytes, host: { queueDepth: 1023, ioQueues: 4 } })
      expect(error.code).toBe('ENOMEM')
    }
  })

  it('refuses settings out of range', () => {
    expect(() => makeRig({ host: { queueDepth: 4096 } })).toThrow(/queueDepth is 4096/)
    expect(() => makeRig({ host: { ioQueues: 0 } })).toThrow(/ioQueues is 0/)
  })
})
