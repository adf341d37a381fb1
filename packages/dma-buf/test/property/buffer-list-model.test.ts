// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createBpfIter,
  createOpenCodedIter,
  type IterLink,
  type IterMeta,
  type OpenCodedIter,
} from '@iolayers/bpf-iter'
import { createDmabufIterTarget } from '@iolayers/bpf-iter/dmabuf'
import { PAGE_SIZE } from '@iolayers/dma-mapping'
import {
  assert,
  createKernel,
  createVirtualScheduler,
  type File,
  fifoStrategy,
  type Kernel,
  KernelError,
  type VirtualScheduler,
} from '@iolayers/kernel'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createDmaBufCore, type DmaBuf, type DmaBufCore, type DmaBufOps } from '../../src/index.ts'
import {
  type Cursor,
  ListModel,
  type ModelBuffer,
  ModelReader,
  RECORD_BYTES_MAX,
  recordOf,
  type Verdict,
} from './list-model.ts'

const READ_BYTES_MAX = 64 * 1024

type Command =
  | { readonly kind: 'export' }
  | { readonly kind: 'open' }
  | { readonly kind: 'walk' }
  | { readonly kind: 'get' | 'put' | 'close' | 'step' | 'destroy'; readonly at: number }
  | { readonly kind: 'read'; readonly at: number; readonly sizeBytes: number }

const at = fc.nat(7)
const sizeBytes = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: READ_BYTES_MAX }),
)
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('export', 'open', 'walk') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('put', 'get', 'put'), at }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('close', 'destroy'), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('step'), at }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('read'), at, sizeBytes }) },
) as fc.Arbitrary<Command>

const bytes = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 4, max: 12 }) },
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 8_000, max: 40_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: RECORD_BYTES_MAX - 2, max: RECORD_BYTES_MAX + 2 }) },
)
const verdict: fc.Arbitrary<Verdict> = fc.record({
  retry: fc.oneof(
    { weight: 5, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
  bytes,
  meanwhile: fc.oneof(
    { weight: 6, arbitrary: fc.constant('nothing' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'drop it' as const,
        'drop the one after' as const,
        'export' as const,
      ),
    },
  ),
})

/** The real thing beside the model. Every reader goes through the same script of verdicts from its start. */
class World {
  readonly model: ListModel = new ListModel()
  readonly scheduler: VirtualScheduler = createVirtualScheduler({ strategy: fifoStrategy() })
  readonly kernel: Kernel = createKernel({ scheduler: this.scheduler }, { checked: true })
  readonly core: DmaBufCore = createDmaBufCore({ kernel: this.kernel })
  readonly released: number[] = []
  readonly readers: { readonly file: File; readonly model: ModelReader; at: number }[] = []
  readonly walks: {
    readonly iter: OpenCodedIter<DmaBuf>
    readonly model: Cursor
    begun: boolean
  }[] = []
  readonly link: IterLink<DmaBuf>
  readonly #iters = createBpfIter({ kernel: this.kernel })
  readonly #script: readonly Verdict[]
  readonly #seen: Map<number, number> = new Map()
  readonly #bytes = new Uint8Array(READ_BYTES_MAX)
  readonly #ops: DmaBufOps
  readonly #real: DmaBuf[] = []
  /** References that users have, by place. */
  readonly #users: number[] = []

  constructor(script: readonly Verdict[]) {
    this.#script = script
    this.#ops = {
      *mapDmaBuf() {
        throw new KernelError('EINVAL', 'nothing is mapped here')
      },
      unmapDmaBuf: () => {},
      release: (dmabuf) => this.released.push(dmabuf.inode),
    }
    const target = this.#iters.registerTarget(createDmabufIterTarget(this.core))
    this.link = target.attach(({ meta, item }) => (item === null ? 0 : this.#show(meta, item)))
  }

  run(one: Command): void {
    const { model } = this
    if (one.kind === 'export') this.export()
    else if (one.kind === 'open') {
      this.readers.push({ file: this.link.open(), model: new ModelReader(model), at: 0 })
    } else if (one.kind === 'walk') {
      this.walks.push({
        iter: createOpenCodedIter(this.core),
        model: model.openCursor(),
        begun: false,
      })
    } else if (one.kind === 'read') this.read(one.at, one.sizeBytes)
    else if (one.kind === 'close') this.close(one.at)
    else if (one.kind === 'step') this.step(one.at)
    else if (one.kind === 'destroy') this.destroy(one.at)
    else this.count(one.kind, one.at)
  }

  export(): void {
    this.model.export()
    this.#exportReal()
  }

  /** A further reference of a user, or one less. */
  count(kind: 'get' | 'put', index: number): void {
    const used = this.model.buffers.filter((buffer) => buffer.users > 0)
    const buffer = used[index % used.length]
    if (buffer === undefined) return
    const real = this.#realOf(buffer)
    buffer.users += kind === 'get' ? 1 : -1
    this.#users[buffer.inode - 1] = buffer.users
    if (kind === 'get') real.get()
    else real.put()
  }

  read(index: number, size: number): string {
    const reader = this.readers[index % this.readers.length]
    if (reader === undefined) return ''
    const got = this.#readReal(reader.file, size)
    const expected = reader.model.read(size, () => this.#verdict(reader.at++))
    expect(got).toEqual(expected)
    this.check()
    return got.error === '' ? got.text : got.error
  }

  close(index: number): void {
    const [reader] = this.readers.splice(index % Math.max(1, this.readers.length), 1)
    if (reader === undefined) return
    reader.file.put()
    reader.model.cursor.close()
  }

  step(index: number): void {
    const walk = this.walks[index % this.walks.length]
    if (walk === undefined) return
    if (walk.begun) walk.model.step()
    else walk.model.begin()
    walk.begun = true
    expect(walk.iter.next()?.inode).toBe(walk.model.on?.inode)
  }

  destroy(index: number): void {
    const [walk] = this.walks.splice(index % Math.max(1, this.walks.length), 1)
    if (walk === undefined) return
    walk.iter.destroy()
    expect(walk.iter.next()).toBe(null)
    walk.model.close()
  }

  /** References are exactly those of the users and of who stands on the buffer; what has none was released, once. */
  check(): void {
    const { model, core } = this
    expect(core.stats.live).toBe(model.alive.length)
    expect(core.stats.exported).toBe(model.buffers.length)
    for (const buffer of model.buffers) {
      const [real, count] = [this.#realOf(buffer).references, model.references(buffer)]
      assert(real === count, `buffer ${buffer.inode} has ${real} references and not ${count}`)
    }
    const dead = model.buffers.filter((buffer) => model.references(buffer) === 0)
    expect([...this.released].sort((a, b) => a - b)).toEqual(dead.map(({ inode }) => inode))
    expect(this.#iters.open).toBe(this.readers.length)
  }

  end(): void {
    while (this.readers.length > 0) this.close(0)
    while (this.walks.length > 0) this.destroy(0)
    this.check()
    for (const buffer of this.model.buffers) {
      this.#dropReal(this.#realOf(buffer))
      this.model.drop(buffer)
    }
    this.check()
    expect(this.core.stats.live).toBe(0)
    this.scheduler.runUntilIdle()
    expect(this.scheduler.outstanding()).toEqual([])
  }

  /** After the script every element is shown. */
  #verdict(index: number): Verdict {
    return this.#script[index] ?? { retry: false, bytes: 20, meanwhile: 'nothing' }
  }

  #show(meta: IterMeta, item: DmaBuf): number {
    const index = this.#seen.get(meta.sessionId) ?? 0
    this.#seen.set(meta.sessionId, index + 1)
    const { retry, bytes: length, meanwhile } = this.#verdict(index)
    meta.seq.puts(recordOf(item.inode, length))
    const after = this.#real.findLast((one) => one.inode < item.inode && one.references > 0)
    if (meanwhile === 'export') this.#exportReal()
    if (meanwhile === 'drop it') this.#dropReal(item)
    if (meanwhile === 'drop the one after' && after !== undefined) this.#dropReal(after)
    return retry ? 1 : 0
  }

  #exportReal(): void {
    const info = { ops: this.#ops, sizeBytes: PAGE_SIZE, exporterName: 'test' }
    this.#real.push(this.core.export(info))
    this.#users.push(1)
  }

  /** All references of users. */
  #dropReal(dmabuf: DmaBuf): void {
    const users = this.#users[dmabuf.inode - 1] ?? 0
    this.#users[dmabuf.inode - 1] = 0
    for (let i = 0; i < users; i++) dmabuf.put()
  }

  #realOf({ inode }: ModelBuffer): DmaBuf {
    const dmabuf = this.#real[inode - 1]
    assert(
      dmabuf !== undefined && dmabuf.inode === inode,
      'inode numbers are not those of the model',
    )
    return dmabuf
  }

  #readReal(file: File, size: number): { text: string; error: string } {
    const { read } = file.ops
    assert(read !== undefined, 'the iterator is not readable')
    try {
      const op = read.call(file.ops, file, this.#bytes, 0, size)
      const count = this.scheduler.runSync('reader', op)
      return { text: new TextDecoder().decode(this.#bytes.subarray(0, count)), error: '' }
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      return { text: '', error: error.code }
    }
  }
}

const lists = fc.array(command, { maxLength: 80, size: '+1' })
const scripts = fc.array(verdict, { maxLength: 40 })

it('R-ITER-1 R-ITER-4 R-ITER-5 R-ITER-7 R-ITER-9 any interleaving of exports, closes, reads and walks lists what a naive model says', () => {
  fc.assert(
    fc.property(fc.nat(8), lists, scripts, (initial, commands, script) => {
      const world = new World(script)
      for (let i = 0; i < initial; i++) world.run({ kind: 'export' })
      for (const one of commands) {
        world.run(one)
        world.check()
      }
      world.end()
    }),
    { numRuns: 2_000 },
  )
})

it('R-ITER-1 R-ITER-7 read to its end, every buffer that lived throughout is listed once, newest first', () => {
  fc.assert(
    fc.property(fc.nat(20), sizeBytes, scripts, lists, (initial, size, script, commands) => {
      const shown = script.map((one) => ({ ...one, bytes: 4 + (one.bytes % 97) }))
      const world = new World(shown)
      for (let i = 0; i < initial; i++) world.run({ kind: 'export' })
      world.run({ kind: 'open' })
      const atStart = world.model.alive.map(({ inode }) => inode)
      const steps = commands.filter(({ kind }) => kind !== 'read' && kind !== 'close')
      let text = ''
      for (let rest = steps.length; ; rest--) {
        const got = world.read(0, size)
        if (got === '') break
        if (got !== 'EAGAIN') text += got
        const step = steps[rest - 1]
        if (step !== undefined) world.run(step)
      }
      const listed = [...text.matchAll(/(\d+);/g)].map((match) => Number(match[1]))
      expect(listed).toEqual([...new Set(listed)].sort((a, b) => b - a))
      const throughout = world.model.buffers.filter(
        ({ inode, users }) => users > 0 && atStart.includes(inode),
      )
      expect(throughout.filter(({ inode }) => !listed.includes(inode))).toEqual([])
      expect(listed.filter((inode) => !atStart.includes(inode))).toEqual([])
      world.end()
    }),
    { numRuns: 1_000 },
  )
})
