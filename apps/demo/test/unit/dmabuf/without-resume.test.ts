// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createBpfIter, type IterSource, type IterTarget } from '@iolayers/bpf-iter'
import { createDmabufIterTarget, type DmabufIterItem } from '@iolayers/bpf-iter/dmabuf'
import { createKernel, createVirtualScheduler } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createDmabufIterTargetWithoutResume,
  type Listing,
  listWith,
} from '../../../src/dmabuf/without-resume.ts'

class Item implements DmabufIterItem {
  readonly inode: number
  readonly sizeBytes = 4096
  readonly exporterName = 'system'
  readonly name: string
  references = 1

  /** A record of 46 bytes, as in the selftest's list: six digits, a newline, 4096, a newline, … */
  constructor(index: number) {
    this.inode = 100_000 + index
    this.name = `buffer-${index}`.padEnd(26, '-')
  }
}

class Items implements IterSource<Item> {
  readonly items: readonly Item[]
  calls = 0

  constructor(count: number) {
    this.items = Array.from({ length: count }, (_, index) => new Item(index))
  }

  begin(): Item | null {
    return this.#take(0)
  }

  next(current: Item): Item | null {
    const next = this.#take(current.inode - 100_000 + 1)
    current.references--
    return next
  }

  put(item: Item): void {
    item.references--
  }

  show(): string {
    return ''
  }

  #take(index: number): Item | null {
    this.calls++
    const item = this.items[index]
    if (item === undefined) return null
    item.references++
    return item
  }
}

function list<P>(source: Items, target: IterTarget<Item, P>, readSizeBytes: number): Listing {
  const scheduler = createVirtualScheduler({ seed: 1 })
  const kernel = createKernel({ scheduler }, { checked: true })
  const iterators = createBpfIter({ kernel })
  const registered = iterators.registerTarget(target)
  const listing = scheduler.runSync('list', listWith(kernel, registered, readSizeBytes))
  expect(iterators.open).toBe(0)
  expect(iterators.links).toBe(0)
  expect(source.items.every(({ references }) => references === 1)).toBe(true)
  return listing
}

describe('the dmabuf iterator before its fix', () => {
  // 46 bytes a record: a read of 4 KiB is over with the 90th, and the buffer of 32 KiB holds 712.
  it.each([
    [100, 1024, 23],
    [1000, 4096, 90],
    [1000, 32_768, 712],
    [1000, 1_048_576, 712],
    [712, 1_048_576, 712],
    [89, 4096, 89],
  ])(
    'R-ITER-1: of %d buffers in reads of %d bytes it lists %d; now all',
    (count, readSize, left) => {
      const before = new Items(count)
      const truncated = list(before, createDmabufIterTargetWithoutResume(before), readSize)
      expect(truncated.buffers).toBe(left)
      expect(truncated.last?.inode).toBe(100_000 + left - 1)
      const after = new Items(count)
      const whole = list(after, createDmabufIterTarget(after), readSize)
      expect(whole.buffers).toBe(count)
      expect(whole.last?.inode).toBe(100_000 + count - 1)
      expect(after.calls).toBe(count + 1)
    },
  )

  it('R-ITER-1: 1,024 bytes at a time it gave 1,024, 34 and the end', () => {
    const source = new Items(100)
    const { buffers, reads } = list(source, createDmabufIterTargetWithoutResume(source), 1024)
    expect({ buffers, reads }).toEqual({ buffers: 23, reads: 2 })
  })

  it('nothing is nothing in both', () => {
    const none = { buffers: 0, reads: 0, last: null }
    const source = new Items(0)
    expect(list(source, createDmabufIterTargetWithoutResume(source), 1)).toEqual(none)
    expect(list(source, createDmabufIterTarget(source), 1)).toEqual(none)
  })
})
