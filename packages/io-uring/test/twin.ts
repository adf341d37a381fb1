// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import {
  type DmabufFile,
  type DmabufIoMap,
  type DmabufToken,
  type DmabufTokenOptions,
  dmabufFile,
  type Plug,
} from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import {
  buildDmaSegmentTable,
  type DmaDirection,
  type DmaSegmentTable,
  SgTable,
} from '@iolayers/dma-mapping'
import {
  type Ability,
  DeferredCall,
  Errno,
  type FileOperations,
  type Kernel,
  type KernelError,
  type Op,
  yieldNow,
} from '@iolayers/kernel'
import { copyFromIter, copyToIter, type IovIter, type IterMemory, type Kiocb } from '@iolayers/uio'

/** One generation of a twin token. */
export class TwinMap implements DmabufIoMap {
  readonly granuleShift = 12
  readonly sizeBytes: number
  readonly segments: readonly Uint8Array[]
  refs = 0
  active = 0
  dead = false

  constructor(sizeBytes: number, segments: readonly Uint8Array[]) {
    this.sizeBytes = sizeBytes
    this.segments = segments
  }
  get(): void {
    this.refs += 1
  }
  put(): void {
    if (this.refs <= 0) throw new Error('map: put of a reference that nobody has')
    this.refs -= 1
  }
  tryGetActive(): DmaSegmentTable | null {
    return this.dead ? null : buildDmaSegmentTable(new SgTable())
  }
  putActive(): void {}
}

/** A token whose map the test can take away, and whose making can fail or take its time. */
export class TwinToken implements DmabufToken {
  readonly sizeBytes: number
  readonly direction: DmaDirection
  readonly maps: TwinMap[] = []
  map: TwinMap | null = null
  failure: KernelError | null = null
  released = false
  readonly #twin: TwinFile
  readonly #segments: readonly Uint8Array[]

  constructor(
    twin: TwinFile,
    dmabuf: DmaBuf,
    direction: DmaDirection,
    segments: readonly Uint8Array[],
  ) {
    this.#twin = twin
    this.sizeBytes = dmabuf.sizeBytes
    this.direction = direction
    this.#segments = segments
  }
  tryGetMap(): TwinMap | null {
    this.map?.get()
    return this.map
  }
  *getMap(): Op<TwinMap> {
    yield* yieldNow(this.#twin.kernel.scheduler)
    if (this.failure !== null) throw this.failure
    if (this.map === null) {
      this.map = new TwinMap(this.sizeBytes, this.#segments)
      this.maps.push(this.map)
    }
    this.map.get()
    return this.map
  }
  invalidate(): void {
    if (this.map !== null) this.map.dead = true
    this.map = null
  }
  *release(): Op<void> {
    this.invalidate()
    this.released = true
    while (this.maps.some((map) => map.refs > 0)) yield* yieldNow(this.#twin.kernel.scheduler)
  }
  setParent(): void {}
  deviceRemoved(): void {}
  *detachDevice(): Op<void> {
    this.invalidate()
  }
}

/** How one attempt goes. */
export type Outcome =
  | { readonly kind: 'now' | 'later'; readonly result?: number }
  /** Ends later with an errno, with or without a fragment handed out. */
  | { readonly kind: 'fail-later'; readonly result: number; readonly issued: boolean }
  | { readonly kind: 'fail-now'; readonly result: number; readonly issued?: boolean }
  /** Stays open until the test ends it. */
  | { readonly kind: 'hold' }

/** An in-memory block device file: does I/O on twin tokens and on memory, as the test scripts it. */
export class TwinFile implements DmabufFile, FileOperations {
  readonly kernel: Kernel
  readonly bytes: Uint8Array
  readonly tokens: TwinToken[] = []
  /** What registrations asked for. */
  readonly options: (DmabufTokenOptions | undefined)[] = []
  readonly held: (() => void)[] = []
  readonly plugs: (Plug | null)[] = []
  readonly flags: number[] = []
  readonly ioprios: number[] = []
  readonly positions: number[] = []
  tokenFailure: KernelError | null = null
  memory: IterMemory | null = null
  attempts = 0
  released = 0
  decide: (form: 'plain' | 'wait', posBytes: number) => Outcome = () => ({ kind: 'now' })

  constructor(kernel: Kernel, sizeBytes: number) {
    this.kernel = kernel
    this.bytes = new Uint8Array(sizeBytes)
  }
  release(): void {
    this.released += 1
  }
  query<T>(ability: Ability<T>): T | undefined {
    return ability.answer(dmabufFile, this)
  }
  *createDmabufToken(
    dmabuf: DmaBuf,
    direction: DmaDirection,
    options?: DmabufTokenOptions,
  ): Op<TwinToken> {
    this.options.push(options)
    if (this.tokenFailure !== null) throw this.tokenFailure
    const view = yield* dmabuf.vmap()
    const token = new TwinToken(this, dmabuf, direction, view.segments)
    dmabuf.vunmap()
    this.tokens.push(token)
    return token
  }
  readIter(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): number {
    return this.#attempt('plain', kiocb, iter, true)
  }
  writeIter(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): number {
    return this.#attempt('plain', kiocb, iter, false)
  }
  *readIterWait(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): Op<number> {
    yield* yieldNow(this.kernel.scheduler)
    return this.#attempt('wait', kiocb, iter, true)
  }
  *writeIterWait(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>): Op<number> {
    yield* yieldNow(this.kernel.scheduler)
    return this.#attempt('wait', kiocb, iter, false)
  }
  fsync(kiocb: Kiocb<Plug>): number {
    return this.#attempt('plain', kiocb, null, false)
  }
  *fsyncWait(kiocb: Kiocb<Plug>): Op<number> {
    return this.#attempt('wait', kiocb, null, false)
  }

  #attempt(
    form: 'plain' | 'wait',
    kiocb: Kiocb<Plug>,
    iter: IovIter<DmabufIoMap> | null,
    isRead: boolean,
  ): number {
    this.attempts += 1
    this.plugs.push(kiocb.plug)
    this.flags.push(kiocb.flags)
    if (iter?.dmabufMap?.dead === true) return -Errno.ESTALE
    this.ioprios.push(kiocb.ioprio)
    this.positions.push(kiocb.posBytes)
    const outcome = this.decide(form, kiocb.posBytes)
    const transfer = (): number => (iter === null ? 0 : this.#transfer(kiocb, iter, isRead))
    if (outcome.kind === 'now') return outcome.result ?? transfer()
    if (outcome.kind === 'fail-now') {
      kiocb.fragmentsIssued = outcome.issued ?? false
      return outcome.result
    }
    const end = (): void => {
      if (outcome.kind !== 'fail-later') {
        kiocb.fragmentsIssued = true
        const result = outcome.kind === 'later' ? outcome.result : undefined
        kiocb.completion?.kiComplete(kiocb, result ?? transfer())
        return
      }
      kiocb.fragmentsIssued = outcome.issued
      kiocb.completion?.kiComplete(kiocb, outcome.result)
    }
    if (outcome.kind === 'hold') this.held.push(end)
    else this.kernel.scheduler.queue(new DeferredCall('twin completion', end))
    return -Errno.EIOCBQUEUED
  }

  /** Without `memory` it only says that it did. */
  #transferMemory(at: number, iter: IovIter<DmabufIoMap>, isRead: boolean): number {
    const count = Math.min(iter.countBytes, Math.max(0, this.bytes.length - at))
    if (this.memory === null) return iter.countBytes
    const range = this.bytes.subarray(at, at + count)
    return isRead ? copyToIter(this.memory, range, iter) : copyFromIter(this.memory, range, iter)
  }

  #transfer(kiocb: Kiocb<Plug>, iter: IovIter<DmabufIoMap>, isRead: boolean): number {
    const map = this.tokens.flatMap((token) => token.maps).find((m) => m === iter.dmabufMap)
    if (map === undefined) return this.#transferMemory(kiocb.posBytes, iter, isRead)
    let skip = iter.offsetBytes
    let done = 0
    for (const segment of map.segments) {
      const part = segment.subarray(skip, skip + iter.countBytes - done)
      skip = Math.max(0, skip - segment.length)
      const at = kiocb.posBytes + done
      if (isRead) part.set(this.bytes.subarray(at, at + part.length))
      else this.bytes.set(part, at)
      done += part.length
    }
    return done
  }
}

/** One whose I/O ends when it is polled: what it holds, one at a look. */
export class PolledTwinFile extends TwinFile {
  looks = 0

  ioPoll(): number {
    this.looks += 1
    const end = this.held.shift()
    end?.()
    return end === undefined ? 0 : 1
  }
}
