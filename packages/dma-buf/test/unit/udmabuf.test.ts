// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createMemfd, type Memfd, MemfdFlags, MemfdSeals, PAGE_SIZE } from '@iolayers/dma-mapping'
import { createFdTable, File, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createUdmabuf, UDMABUF_FLAGS_CLOEXEC, type UdmabufInit } from '../../src/index.ts'
import { createDmaImporter } from '../../src/testing/index.ts'
import { createRig, errorCode, expectNothingOutstanding } from '../support.ts'

const { F_SEAL_SHRINK, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_GROW } = MemfdSeals
const PAGES = 8

function setup(init: UdmabufInit = {}, seals: number = F_SEAL_SHRINK) {
  const rig = createRig({ ramBytes: 64 * PAGE_SIZE })
  const free = rig.memory.stats.pagesFree
  const fds = createFdTable({ limit: 8 })
  const udmabuf = createUdmabuf(rig, init)
  const create = (): { memfd: Memfd; fd: number } => {
    const memfd = createMemfd(rig, 'buffer', { flags: MemfdFlags.MFD_ALLOW_SEALING })
    rig.run(memfd.truncate(PAGES * PAGE_SIZE))
    if (seals !== 0) rig.run(memfd.addSeals(seals))
    const fd = fds.reserve()
    fds.install(fd, memfd.file)
    return { memfd, fd }
  }
  return {
    rig,
    fds,
    udmabuf,
    create,
    ...create(),
    code: (op: Op<unknown>): string => errorCode(() => rig.run(op)),
    close(...open: number[]): void {
      for (const fd of open) fds.close(fd)
      expect(fds.open).toBe(0)
      expectNothingOutstanding(rig)
      expect(rig.memory.stats.pagesFree).toBe(free)
    },
  }
}

const whole = (memfd: number) => ({ memfd, offset: 0, size: PAGES * PAGE_SIZE })

describe('udmabuf', () => {
  it('is the pages of the file: what a device writes is in the file, and the other way round', () => {
    const { rig, fds, udmabuf, memfd, fd, close } = setup()
    rig.run(memfd.write(Uint8Array.of(1, 2, 3), PAGE_SIZE))
    const bufFd = rig.run(
      udmabuf.create(fds, { memfd: fd, offset: PAGE_SIZE, size: 2 * PAGE_SIZE }),
    )
    const dmabuf = rig.core.fromFd(fds, bufFd)
    expect([dmabuf.sizeBytes, dmabuf.exporterName]).toEqual([2 * PAGE_SIZE, 'udmabuf'])
    expect(memfd.pages).toBe(2)
    const importer = createDmaImporter({ dmabuf, device: rig.device() })
    rig.run(importer.map())
    expect(importer.read(0, 4)).toEqual(Uint8Array.of(1, 2, 3, 0))
    importer.write(PAGE_SIZE, Uint8Array.of(9))
    rig.run(importer.unmap())
    importer.detach()
    const byte = new Uint8Array(1)
    memfd.read(byte, 2 * PAGE_SIZE)
    expect(byte[0]).toBe(9)
    dmabuf.put()
    close(fd, bufFd)
  })

  it('keeps its pages when the file is closed, and F_SEAL_WRITE is refused meanwhile', () => {
    const { rig, fds, udmabuf, memfd, fd, code, close } = setup()
    const bufFd = rig.run(udmabuf.create(fds, whole(fd), UDMABUF_FLAGS_CLOEXEC))
    expect(code(memfd.truncate(0))).toBe('EPERM')
    expect(code(memfd.addSeals(F_SEAL_WRITE))).toBe('EBUSY')
    fds.close(fd)
    const dmabuf = rig.core.fromFd(fds, bufFd)
    rig.run(dmabuf.vmap()).segments[0]![0] = 5
    dmabuf.vunmap()
    dmabuf.put()
    close(bufFd)
  })

  it('a hole that is punched into the file parts the two: the buffer keeps its page', () => {
    const { rig, fds, udmabuf, memfd, fd, close } = setup()
    rig.run(memfd.write(Uint8Array.of(7), 0))
    const bufFd = rig.run(udmabuf.create(fds, whole(fd)))
    rig.run(memfd.punchHole(0, PAGE_SIZE))
    const dmabuf = rig.core.fromFd(fds, bufFd)
    expect(rig.run(dmabuf.vmap()).segments[0]![0]).toBe(7)
    dmabuf.vunmap()
    dmabuf.put()
    close(fd, bufFd)
  })

  it('lists: pieces of several files, in the order of the list, a page more than once', () => {
    const { rig, fds, udmabuf, create, memfd, fd, close } = setup()
    const other = create()
    rig.run(memfd.write(Uint8Array.of(1), 2 * PAGE_SIZE))
    rig.run(other.memfd.write(Uint8Array.of(2), 0))
    const bufFd = rig.run(
      udmabuf.createList(fds, [
        { memfd: other.fd, offset: 0, size: PAGE_SIZE },
        { memfd: fd, offset: 2 * PAGE_SIZE, size: 2 * PAGE_SIZE },
        { memfd: other.fd, offset: 0, size: PAGE_SIZE },
      ]),
    )
    const dmabuf = rig.core.fromFd(fds, bufFd)
    expect(dmabuf.sizeBytes).toBe(4 * PAGE_SIZE)
    const importer = createDmaImporter({ dmabuf, device: rig.device() })
    rig.run(importer.map())
    const first = [0, 1, 3].map((page) => importer.read(page * PAGE_SIZE, 1)[0])
    expect(first).toEqual([2, 1, 2])
    importer.write(0, Uint8Array.of(8))
    expect(importer.read(3 * PAGE_SIZE, 1)[0]).toBe(8)
    rig.run(importer.unmap())
    importer.detach()
    dmabuf.put()
    close(fd, other.fd, bufFd)
  })

  it('makes one piece of neighbouring pages, and only of those', () => {
    const { rig, fds, udmabuf, memfd, fd, close } = setup()
    for (let page = 0; page < 4; page++) {
      rig.run(memfd.write(new Uint8Array(PAGE_SIZE).fill(page + 1), page * PAGE_SIZE))
    }
    const piece = (page: number, pages: number) => ({
      memfd: fd,
      offset: page * PAGE_SIZE,
      size: pages * PAGE_SIZE,
    })
    const pagesOf = (...items: ReturnType<typeof piece>[]) => {
      const bufFd = rig.run(udmabuf.createList(fds, items))
      const dmabuf = rig.core.fromFd(fds, bufFd)
      const { segments } = rig.run(dmabuf.vmap())
      const found = segments.map((segment) => [segment.length / PAGE_SIZE, segment[0]])
      dmabuf.vunmap()
      dmabuf.put()
      fds.close(bufFd)
      return found
    }
    expect(pagesOf(piece(0, 4))).toEqual([[4, 1]])
    expect(pagesOf(piece(0, 1), piece(1, 2))).toEqual([[3, 1]])
    expect(pagesOf(piece(0, 1), piece(2, 1), piece(1, 1))).toEqual([
      [1, 1],
      [1, 3],
      [1, 2],
    ])
    close(fd)
  })

  it('refuses offsets and sizes that are not whole pages, nothing at all, and more than the file has', () => {
    const { fds, udmabuf, fd, memfd, code, close } = setup()
    for (const [offset, size] of [
      [1, PAGE_SIZE],
      [0, PAGE_SIZE + 1],
      [0, 0],
      [-PAGE_SIZE, PAGE_SIZE],
      [0, Number.NaN],
      [0, 2 ** 53],
      [PAGE_SIZE, PAGES * PAGE_SIZE],
      [PAGES * PAGE_SIZE, PAGE_SIZE],
    ] as const) {
      expect(code(udmabuf.create(fds, { memfd: fd, offset, size }))).toBe('EINVAL')
    }
    expect(code(udmabuf.createList(fds, []))).toBe('EINVAL')
    const some = { memfd: fd, offset: 0, size: PAGE_SIZE }
    const empty = { memfd: fd, offset: 0, size: 0 }
    expect(code(udmabuf.createList(fds, [some, empty]))).toBe('EINVAL')
    expect(memfd.pages).toBe(1)
    close(fd)
  })

  it('refuses more items and more bytes than its limits: 1024 and 64 MiB', () => {
    const { fds, udmabuf, fd, code, close } = setup()
    const item = { memfd: fd, offset: 0, size: PAGE_SIZE }
    expect(code(udmabuf.createList(fds, new Array(1025).fill(item)))).toBe('EINVAL')
    const tooMuch = { memfd: fd, offset: 0, size: 64 * 1024 * 1024 + PAGE_SIZE }
    expect(code(udmabuf.create(fds, tooMuch))).toBe('EINVAL')
    const half = { memfd: fd, offset: 0, size: 33 * 1024 * 1024 }
    expect(code(udmabuf.createList(fds, [half, half]))).toBe('EINVAL')
    close(fd)
    const small = setup({ listLimit: 2, sizeLimitMb: 1 })
    const one = { memfd: small.fd, offset: 0, size: PAGE_SIZE }
    expect(small.code(small.udmabuf.createList(small.fds, [one, one, one]))).toBe('EINVAL')
    const bufFd = small.rig.run(small.udmabuf.createList(small.fds, [one, one]))
    const mib = { memfd: small.fd, offset: 0, size: 1024 * 1024 + PAGE_SIZE }
    expect(small.code(small.udmabuf.create(small.fds, mib))).toBe('EINVAL')
    small.close(small.fd, bufFd)
  })

  it('refuses what is not open or no memory file with EBADFD, and pins nothing', () => {
    const { rig, fds, udmabuf, fd, memfd, code, close } = setup()
    expect(code(udmabuf.create(fds, whole(7)))).toBe('EBADFD')
    const plain = new File(rig.kernel, { release: () => undefined }, { name: 'plain', flags: 0 })
    const plainFd = fds.reserve()
    fds.install(plainFd, plain)
    expect(code(udmabuf.create(fds, whole(plainFd)))).toBe('EBADFD')
    const good = { memfd: fd, offset: 0, size: PAGE_SIZE }
    expect(code(udmabuf.createList(fds, [good, whole(plainFd)]))).toBe('EBADFD')
    rig.run(memfd.addSeals(F_SEAL_WRITE))
    close(fd, plainFd)
  })

  it('wants F_SEAL_SHRINK, and refuses F_SEAL_WRITE and F_SEAL_FUTURE_WRITE, with EINVAL', () => {
    for (const [seals, want] of [
      [0, 'EINVAL'],
      [F_SEAL_GROW, 'EINVAL'],
      [F_SEAL_SHRINK | F_SEAL_WRITE, 'EINVAL'],
      [F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE, 'EINVAL'],
      [F_SEAL_SHRINK | F_SEAL_GROW, 'none'],
    ] as const) {
      const { fds, udmabuf, fd, code, close } = setup({}, seals)
      expect(code(udmabuf.create(fds, whole(fd)))).toBe(want)
      if (want === 'none') close(fd, fd + 1)
      else close(fd)
    }
  })

  it('leaves nothing behind when there is no page or no descriptor left', () => {
    const { rig, fds, udmabuf, fd, code, close } = setup()
    const held: number[] = []
    for (let i = 0; i < 60; i++) held.push(rig.memory.allocPages(0))
    expect(code(udmabuf.create(fds, whole(fd)))).toBe('ENOMEM')
    for (const frame of held) rig.memory.freePages(frame, 0)
    const more: number[] = []
    for (let i = 0; i < 7; i++) more.push(fds.reserve())
    expect(code(udmabuf.create(fds, whole(fd)))).toBe('EMFILE')
    expect(rig.core.stats.live).toBe(0)
    for (const spare of more) fds.putUnused(spare)
    close(fd)
  })

  it('can be mapped by a program, and follows the CPU brackets for a device that does not snoop', () => {
    const { rig, fds, udmabuf, memfd, fd, close } = setup()
    const bufFd = rig.run(udmabuf.create(fds, whole(fd)))
    const dmabuf = rig.core.fromFd(fds, bufFd)
    const mapping = dmabuf.mmap(PAGE_SIZE, 2 * PAGE_SIZE, 'write')
    mapping.segments()[0]![0] = 4
    const byte = new Uint8Array(1)
    memfd.read(byte, PAGE_SIZE)
    expect(byte[0]).toBe(4)
    mapping.munmap()
    const device = rig.device('arm', { coherent: false })
    const importer = createDmaImporter({ dmabuf, device })
    rig.run(importer.map())
    importer.write(0, Uint8Array.of(77))
    rig.run(dmabuf.beginCpuAccess(0))
    memfd.read(byte, 0)
    expect(byte[0]).toBe(77)
    rig.run(dmabuf.endCpuAccess(0))
    rig.run(importer.unmap())
    importer.detach()
    dmabuf.put()
    close(fd, bufFd)
  })
})
