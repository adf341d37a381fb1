// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BioVec } from '@iolayers/uio'
import { type Bio, type CpuMemory, ReqOp, reqOp, SECTOR_SIZE } from '../src/index.ts'

const PAGE_SIZE = 4096
/** The largest I/O. */
export const BUFFER_BYTES: number = 32 * 1024

/** Memory that has a place of its own for each bio. */
export class BioBuffers implements CpuMemory {
  readonly #places: Uint8Array[]
  readonly #oneRun: boolean

  /** With `oneRun` the memory of a bio is never cut. */
  constructor(oneRun: boolean) {
    this.#places = []
    this.#oneRun = oneRun
  }

  read(addr: number, target: Uint8Array): void {
    target.set(this.#bytes(addr, target.length))
  }

  write(addr: number, source: Uint8Array): void {
    this.#bytes(addr, source.length).set(source)
  }

  /** Gives a bio its memory, filled with the value of what it writes. */
  give(bio: Bio, index: number, sectors: number, value: number, runSectors: number): void {
    bio.biIter.biSize = sectors * SECTOR_SIZE
    if (reqOp(bio.biOpf) === ReqOp.DISCARD) return
    const run = this.#oneRun ? BUFFER_BYTES / SECTOR_SIZE : runSectors
    // Small runs have gaps between them.
    const stride = run < 8 ? 2 * run : run
    const vecs: BioVec[] = []
    for (let at = 0; at < sectors; at += run) {
      const lengthBytes = Math.min(run, sectors - at) * SECTOR_SIZE
      const addr = index * 2 * BUFFER_BYTES + vecs.length * stride * SECTOR_SIZE
      vecs.push({ frame: Math.floor(addr / PAGE_SIZE), offsetBytes: addr % PAGE_SIZE, lengthBytes })
      this.#bytes(addr, lengthBytes).fill(reqOp(bio.biOpf) === ReqOp.WRITE ? value : 0xee)
    }
    bio.biIoVec = vecs
    bio.biVcnt = vecs.length
  }

  /** The value of each sector that a bio read. */
  valuesOf(bio: Bio): number[] {
    const values: number[] = []
    for (const vec of bio.biIoVec.slice(0, bio.biVcnt)) {
      const addr = vec.frame * PAGE_SIZE + vec.offsetBytes
      for (let at = 0; at < vec.lengthBytes; at += SECTOR_SIZE) {
        const sector = this.#bytes(addr + at, SECTOR_SIZE)
        const value = sector[0] ?? -1
        if (sector.some((byte) => byte !== value)) throw new Error('a sector of two writes')
        values.push(value)
      }
    }
    return values
  }

  #bytes(addr: number, length: number): Uint8Array {
    const index = Math.floor(addr / (2 * BUFFER_BYTES))
    const place = this.#places[index] ?? new Uint8Array(2 * BUFFER_BYTES)
    this.#places[index] = place
    const offset = addr % (2 * BUFFER_BYTES)
    return place.subarray(offset, offset + length)
  }
}
