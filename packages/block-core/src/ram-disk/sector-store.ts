// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SECTOR_SHIFT, SECTOR_SIZE } from '../req-flags.ts'

const PAGE_SIZE = 4096
const PAGE_SECTORS = PAGE_SIZE / SECTOR_SIZE
/** Pages of storage that are made at once. */
const SLAB_PAGES = 64

/** Memory that the CPU reads and writes by physical address. */
export interface CpuMemory {
  read(addr: number, target: Uint8Array): void
  write(addr: number, source: Uint8Array): void
}

/**
 * The contents of a disk in memory: pages come into being when they are first written and go when all of their sectors were
 * discarded. What is not there reads as zeroes. Positions and lengths are bytes; a discard is of whole sectors.
 * @see drivers/block/brd.c brd_insert_page; drivers/block/null_blk/main.c null_insert_page
 */
export class SectorStore {
  /** By page of the disk: its place in the slabs. */
  readonly #places: Map<number, number>
  readonly #slabs: Uint8Array[]
  /** By place: a bit for each sector that was written. */
  readonly #written: number[]
  readonly #freePlaces: number[]
  readonly #zeroes: Uint8Array

  constructor() {
    this.#places = new Map()
    this.#slabs = []
    this.#written = []
    this.#freePlaces = []
    this.#zeroes = new Uint8Array(PAGE_SIZE)
  }

  /** Pages in use. */
  get pages(): number {
    return this.#places.size
  }

  /** Page numbers in use, oldest first. */
  pageNumbers(): Iterable<number> {
    return this.#places.keys()
  }

  hasPage(page: number): boolean {
    return this.#places.has(page)
  }

  /** Whether the sector was written since it was last discarded. */
  has(sector: number): boolean {
    const place = this.#places.get(Math.floor(sector / PAGE_SECTORS))
    return place !== undefined && ((this.#written[place] ?? 0) & bitOf(sector)) !== 0
  }

  /** The disk's bytes to memory. */
  readTo(position: number, memory: CpuMemory, addr: number, length: number): void {
    for (let done = 0; done < length; ) {
      const bytes = this.view(position + done, length - done)
      memory.write(addr + done, bytes)
      done += bytes.length
    }
  }

  /** Memory's bytes to the disk. */
  writeFrom(position: number, memory: CpuMemory, addr: number, length: number): void {
    for (let done = 0; done < length; ) {
      const bytes = this.viewToWrite(position + done, length - done)
      memory.read(addr + done, bytes)
      done += bytes.length
    }
  }

  /** Bytes up to the end of a page at most; not to be written. */
  view(position: number, lengthMax: number): Uint8Array {
    const inPage = position % PAGE_SIZE
    const length = Math.min(lengthMax, PAGE_SIZE - inPage)
    const place = this.#places.get((position - inPage) / PAGE_SIZE)
    if (place === undefined) return this.#zeroes.subarray(0, length)
    return this.#bytesAt(place, inPage, length)
  }

  /** The same, for somebody who writes all of them. */
  viewToWrite(position: number, lengthMax: number): Uint8Array {
    const inPage = position % PAGE_SIZE
    const length = Math.min(lengthMax, PAGE_SIZE - inPage)
    const page = (position - inPage) / PAGE_SIZE
    const place = this.#places.get(page) ?? this.#insert(page)
    this.#written[place] = (this.#written[place] ?? 0) | maskOf(inPage, length)
    return this.#bytesAt(place, inPage, length)
  }

  /** From now on they read as zeroes. */
  discard(position: number, length: number): void {
    if (length > this.#places.size * PAGE_SIZE) {
      this.#discardAmong(position, position + length)
      return
    }
    for (let done = 0; done < length; ) {
      const inPage = (position + done) % PAGE_SIZE
      const part = Math.min(length - done, PAGE_SIZE - inPage)
      this.#discardIn((position + done - inPage) / PAGE_SIZE, inPage, part)
      done += part
    }
  }

  clear(): void {
    for (const place of this.#places.values()) this.#freePlaces.push(place)
    this.#places.clear()
  }

  /** The range has more pages than there are. */
  #discardAmong(start: number, end: number): void {
    for (const page of this.#places.keys()) {
      const from = Math.max(start, page * PAGE_SIZE)
      const to = Math.min(end, (page + 1) * PAGE_SIZE)
      if (from < to) this.#discardIn(page, from - page * PAGE_SIZE, to - from)
    }
  }

  #discardIn(page: number, inPage: number, length: number): void {
    const place = this.#places.get(page)
    if (place === undefined) return
    const left = (this.#written[place] ?? 0) & ~maskOf(inPage, length)
    if (left === 0) {
      this.#places.delete(page)
      this.#freePlaces.push(place)
      return
    }
    this.#written[place] = left
    this.#bytesAt(place, inPage, length).fill(0)
  }

  #insert(page: number): number {
    let place = this.#freePlaces.pop()
    if (place === undefined) {
      place = this.#slabs.length * SLAB_PAGES
      this.#slabs.push(new Uint8Array(SLAB_PAGES * PAGE_SIZE))
      for (let i = SLAB_PAGES - 1; i > 0; i--) this.#freePlaces.push(place + i)
    }
    this.#written[place] = 0
    this.#bytesAt(place, 0, PAGE_SIZE).fill(0)
    this.#places.set(page, place)
    return place
  }

  #bytesAt(place: number, inPage: number, length: number): Uint8Array {
    const slab = this.#slabs[Math.floor(place / SLAB_PAGES)] ?? this.#zeroes
    const at = (place % SLAB_PAGES) * PAGE_SIZE + inPage
    return slab.subarray(at, at + length)
  }
}

function bitOf(sector: number): number {
  return 1 << (sector % PAGE_SECTORS)
}

/** A bit for each sector of a page that the range touches. */
function maskOf(inPage: number, length: number): number {
  const first = inPage >> SECTOR_SHIFT
  const last = (inPage + length - 1) >> SECTOR_SHIFT
  return (2 << last) - (1 << first)
}
