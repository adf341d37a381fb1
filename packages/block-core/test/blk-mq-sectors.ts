// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What a disk may hold, sector by sector, as values of a byte. Writes that fail leave the old or the new; writes that overlap are
 * never in flight together.
 */
export class SectorModel {
  readonly #possible: ReadonlySet<number>[]
  /** What has to be there after the power went, unless what is in `#since` is. */
  readonly #durable: ReadonlySet<number>[]
  readonly #since: Set<number>[]
  readonly #version: number[]
  readonly #readers: number[]
  readonly #writers: number[]

  constructor(sectors: number) {
    const zeroes = () => new Array<number>(sectors).fill(0)
    this.#possible = zeroes().map(() => new Set([0]))
    this.#durable = [...this.#possible]
    this.#since = zeroes().map(() => new Set())
    this.#version = zeroes()
    this.#readers = zeroes()
    this.#writers = zeroes()
  }

  get sectors(): number {
    return this.#possible.length
  }

  /** A place from `wanted` on where nothing is in flight that the I/O would race with; -1 where there is none. */
  place(wanted: number, count: number, isWrite: boolean, step: number): number {
    const places = Math.floor((this.sectors - count) / step) + 1
    for (let i = 0; i < places; i++) {
      const start = ((Math.floor(wanted / step) + i) % places) * step
      if (this.#isFree(start, count, isWrite)) return start
    }
    return -1
  }

  begin(start: number, count: number, isWrite: boolean): void {
    const users = isWrite ? this.#writers : this.#readers
    for (let i = start; i < start + count; i++) {
      users[i] = (users[i] ?? 0) + 1
      if (isWrite) this.#version[i] = (this.#version[i] ?? 0) + 1
    }
  }

  endRead(start: number, values: readonly number[] | null, count: number): void {
    for (let i = start; i < start + count; i++) this.#readers[i] = (this.#readers[i] ?? 0) - 1
    for (const [i, value] of values?.entries() ?? []) {
      if (!this.#possible[start + i]?.has(value)) {
        throw new Error(`sector ${start + i} reads ${value}, not ${this.#show(start + i)}`)
      }
      this.#possible[start + i] = new Set([value])
    }
  }

  /** Nothing of a write was handed over. */
  cancelWrite(start: number, count: number): void {
    for (let i = start; i < start + count; i++) this.#writers[i] = (this.#writers[i] ?? 0) - 1
  }

  endWrite(start: number, count: number, value: number, how: 'ok' | 'durable' | 'failed'): void {
    this.cancelWrite(start, count)
    for (let i = start; i < start + count; i++) {
      const before = how === 'failed' ? (this.#possible[i] ?? []) : []
      this.#possible[i] = new Set([...before, value])
      if (how !== 'durable') {
        this.#since[i]?.add(value)
        continue
      }
      this.#durable[i] = new Set([value])
      this.#since[i] = new Set()
    }
  }

  /** What a flush that is submitted now makes durable, once it ended well. */
  flush(): () => void {
    const version = [...this.#version]
    const still = this.#writers.map((writers) => writers === 0)
    return () => {
      for (let i = 0; i < this.sectors; i++) {
        if (!still[i] || version[i] !== this.#version[i]) continue
        this.#durable[i] = this.#possible[i] ?? new Set()
        this.#since[i] = new Set()
      }
    }
  }

  /** The power went. */
  forgetVolatile(): void {
    for (let i = 0; i < this.sectors; i++) {
      this.#possible[i] = new Set([...(this.#durable[i] ?? []), ...(this.#since[i] ?? [])])
    }
  }

  #isFree(start: number, count: number, isWrite: boolean): boolean {
    for (let i = start; i < start + count; i++) {
      if (this.#writers[i] !== 0 || (isWrite && this.#readers[i] !== 0)) return false
    }
    return true
  }

  #show(sector: number): string {
    return [...(this.#possible[sector] ?? [])].join(' or ')
  }
}
