// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createFdTable, KernelError, OpenFlags } from '@iolayers/kernel'
import { describe, expect, expectTypeOf, it } from 'vitest'
import type { DmabufIterItem } from '../../src/dmabuf/index.ts'
import {
  createSourceIterTarget,
  type IterContext,
  type IterLink,
  type IterProgram,
  type IterTarget,
  type RegisteredTarget,
  type SourceIterPrivate,
} from '../../src/index.ts'
import { Bench, type TestBuffer, TestSource } from '../support.ts'

interface Range {
  readonly from: number
  readonly to: number
}

/** Numbers from a range that the link is attached with, and what became of the hooks. */
class RangeTarget implements IterTarget<number, { at: number; to: number }, Range, Range> {
  readonly target = 'range'
  readonly endCall = false
  readonly log: string[] = []
  initError: KernelError | null = null

  attachTarget(range: Range): Range {
    if (range.from > range.to) {
      throw new KernelError('EINVAL', 'range that ends before it begins', { value: range.from })
    }
    this.log.push('attach')
    return { ...range }
  }

  detachTarget(range: Range): void {
    this.log.push(`detach ${range.from}`)
  }

  showFdinfo({ from, to }: Range): string {
    return `range:\t${from}-${to}\n`
  }

  fillLinkInfo({ from, to }: Range): Record<string, number> {
    return { from, to }
  }

  readonly seqInfo = {
    initSeqPrivate: (range: Range): { at: number; to: number } => {
      if (this.initError !== null) throw this.initError
      this.log.push('init')
      return { at: range.from, to: range.to }
    },
    finiSeqPrivate: ({ at }: { at: number }): void => {
      this.log.push(`fini ${at}`)
    },
    seqOps: {
      start: (_seq: unknown, priv: { at: number; to: number }): number | null =>
        priv.at < priv.to ? priv.at : null,
      next: (
        seq: { index: number },
        _current: number,
        priv: { at: number; to: number },
      ): number | null => {
        seq.index += 1
        priv.at += 1
        return priv.at < priv.to ? priv.at : null
      },
      stop: (): void => {},
    },
  }
}

const print: IterProgram<number> = ({ meta, item }) => {
  if (item !== null) meta.seq.printf('%d\n', item)
  return 0
}
const shout: IterProgram<number> = ({ meta, item }) => {
  if (item !== null) meta.seq.printf('%d!\n', item)
  return 0
}

function setUp(): {
  bench: Bench
  target: RangeTarget
  registered: RegisteredTarget<number, Range>
} {
  const bench = new Bench()
  const target = new RangeTarget()
  return { bench, target, registered: bench.iters.registerTarget(target) }
}

describe('iterator links', () => {
  it('are attached with the parameters that their target takes', () => {
    const { bench, target, registered } = setUp()
    const low = registered.attach(print, { from: 1, to: 3 })
    const high = registered.attach(print, { from: 7, to: 9 })
    expect(bench.iters.links).toBe(2)
    for (const [link, text] of [
      [low, '1\n2\n'],
      [high, '7\n8\n'],
    ] as const) {
      const file = link.open()
      expect(bench.readToEnd(file, 64).text).toBe(text)
      file.put()
      link.release()
    }
    expect(bench.iters.links).toBe(0)
    expect(target.log.filter((entry) => entry.startsWith('detach'))).toEqual([
      'detach 1',
      'detach 7',
    ])
  })

  it('are not made with parameters that their target refuses', () => {
    const { bench, target, registered } = setUp()
    expect(() => registered.attach(print, { from: 3, to: 1 })).toThrow('ends before it begins')
    expect(target.log).toEqual([])
    expect(bench.iters.links).toBe(0)
    const link = registered.attach(print, { from: 1, to: 1 })
    expect(link.id).toBe(1)
    link.release()
  })

  it('have ids, a target name, and what their target says of them', () => {
    const { bench, registered } = setUp()
    const first = registered.attach(print, { from: 1, to: 3 })
    const second = registered.attach(print, { from: 4, to: 5 })
    expect(first.info()).toEqual({
      type: 'iter',
      id: 1,
      targetName: 'range',
      target: { from: 1, to: 3 },
    })
    expect(second.info()).toMatchObject({ id: 2, target: { from: 4 } })
    expect(second.showFdinfo()).toBe(
      'link_type:\titer\nlink_id:\t2\ntarget_name:\trange\nrange:\t4-5\n',
    )
    const file = second.open()
    expect(file.ops.showFdinfo?.(file)).toBe('target_name:\trange\nrange:\t4-5\n')
    file.put()
    const plain = bench.iters.registerTarget({
      target: 'plain',
      endCall: false,
      seqInfo: {
        initSeqPrivate: () => null,
        finiSeqPrivate: () => {},
        seqOps: { start: () => null, next: () => null, stop: () => {} },
      },
    })
    const bare = plain.attach(() => 0)
    expect(bare.info()).toEqual({ type: 'iter', id: 3, targetName: 'plain', target: {} })
    expect(bare.showFdinfo()).toBe('link_type:\titer\nlink_id:\t3\ntarget_name:\tplain\n')
    for (const link of [first, second, bare]) link.release()
  })

  it('open any number of iterators, each with its position and private state', () => {
    const { bench, target, registered } = setUp()
    const link = registered.attach(print, { from: 0, to: 4 })
    const files = [link.open(), link.open(), link.open()]
    expect(bench.iters.open).toBe(3)
    const texts = files.map((file, i) => {
      let text = ''
      for (let read = 0; read < i; read += 1) text += bench.read(file, 2)
      return text
    })
    expect(texts).toEqual(['', '0\n', '0\n1\n'])
    expect(files.map((file) => file.posBytes)).toEqual([0, 2, 4])
    expect(files.map((file) => bench.readToEnd(file, 3).text)).toEqual([
      '0\n1\n2\n3\n',
      '1\n2\n3\n',
      '2\n3\n',
    ])
    for (const file of files) file.put()
    expect(target.log.slice(4)).toEqual(['fini 4', 'fini 4', 'fini 4'])
    expect(bench.iters.open).toBe(0)
    link.release()
  })

  it('an iterator is an anonymous read-only file that a descriptor table takes', () => {
    const { bench, registered } = setUp()
    const link = registered.attach(print, { from: 0, to: 2 })
    const file = link.open()
    expect([file.name, file.flags]).toEqual(['bpf_iter', OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC])
    expect(file.ops.llseek).toBeUndefined()
    const fds = createFdTable()
    const fd = fds.reserve()
    fds.install(fd, file)
    link.release()
    expect(bench.readToEnd(file, 1).text).toBe('0\n1\n')
    fds.close(fd)
    expect(bench.iters.open).toBe(0)
  })

  it('a replaced program is run by iterators that open after it', () => {
    const { bench, registered } = setUp()
    const link = registered.attach(print, { from: 0, to: 2 })
    const before = link.open()
    expect(bench.read(before, 1)).toBe('0')
    link.replaceProgram(shout)
    const after = link.open()
    expect(bench.readToEnd(before, 64).text).toBe('\n1\n')
    expect(bench.readToEnd(after, 64).text).toBe('0!\n1!\n')
    before.put()
    after.put()
    link.release()
  })

  it('a program is replaced only where it is the expected one', () => {
    const { registered } = setUp()
    const link = registered.attach(print, { from: 0, to: 1 })
    expect(() => link.replaceProgram(shout, shout)).toThrow(
      expect.objectContaining({ code: 'EPERM' }),
    )
    link.replaceProgram(shout, print)
    link.replaceProgram(print, shout)
    link.release()
  })

  it('released while iterators are open: those stay usable, no more can be opened', () => {
    const { bench, target, registered } = setUp()
    const link = registered.attach(print, { from: 0, to: 3 })
    const file = link.open()
    expect(bench.read(file, 2)).toBe('0\n')
    link.release()
    link.release()
    expect(target.log).toEqual(['attach', 'init', 'detach 0'])
    for (const act of [() => link.open(), () => link.replaceProgram(shout)]) {
      expect(act).toThrow(expect.objectContaining({ code: 'EBADF' }))
    }
    expect(bench.readToEnd(file, 64).text).toBe('1\n2\n')
    expect(file.ops.showFdinfo?.(file)).toContain('range:\t0-3')
    file.put()
    expect(target.log.at(-1)).toBe('fini 3')
    expect([bench.iters.links, bench.iters.open]).toEqual([0, 0])
  })

  it('a target unregistered while links are open: those stay usable, no more can be attached', () => {
    const { bench, registered } = setUp()
    const link = registered.attach(print, { from: 0, to: 2 })
    const before = link.open()
    registered.unregister()
    const after = link.open()
    for (const file of [before, after]) {
      expect(bench.readToEnd(file, 64).text).toBe('0\n1\n')
      file.put()
    }
    expect(() => registered.attach(print, { from: 0, to: 1 })).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    )
    expect(bench.iters.targetNames).toEqual([])
    const again = bench.iters.registerTarget(new RangeTarget())
    link.release()
    again.unregister()
  })

  it('a private state that cannot be made opens nothing, and takes no session', () => {
    const { bench, target, registered } = setUp()
    const sessions: number[] = []
    const link = registered.attach(
      ({ meta }) => {
        sessions.push(meta.sessionId)
        return 0
      },
      { from: 0, to: 1 },
    )
    target.initError = new KernelError('ENOMEM', 'no memory for the private state')
    expect(() => link.open()).toThrow('no memory')
    expect([bench.iters.open, target.log]).toEqual([0, ['attach']])
    target.initError = null
    const file = link.open()
    bench.readToEnd(file, 64)
    file.put()
    expect(sessions).toEqual([1])
    link.release()
  })

  it('contexts have the type that the target declares, null included', () => {
    expectTypeOf<IterContext<TestBuffer>['item']>().toEqualTypeOf<TestBuffer | null>()
    expectTypeOf<RegisteredTarget<DmabufIterItem>['attach']>().toBeCallableWith(() => 0)
    expectTypeOf<RegisteredTarget<number, Range>['attach']>().toBeCallableWith(() => 0, {
      from: 0,
      to: 1,
    })
    // @ts-expect-error: the parameters are asked for
    expectTypeOf<RegisteredTarget<number, Range>['attach']>().toBeCallableWith(() => 0)
    expectTypeOf<ReturnType<RegisteredTarget<number, Range>['attach']>>().toEqualTypeOf<
      IterLink<number>
    >()
    const source = new TestSource()
    expectTypeOf(createSourceIterTarget('test', source)).toEqualTypeOf<
      IterTarget<TestBuffer, SourceIterPrivate<TestBuffer>>
    >()
  })
})
