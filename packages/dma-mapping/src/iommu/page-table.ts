// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'

const LEAF_SHIFT = 10
const LEAF_SIZE = 1 << LEAF_SHIFT
/** The place of a page in its leaf table. @internal */
export const LEAF_MASK: number = LEAF_SIZE - 1
const DIRECTORY_SIZE = 1 << 10
/** An entry is a frame below 2^30 and the permissions above it; 0 is no entry, as permissions are never 0. */
const PERMS_SHIFT = 30
const FRAME_MASK = 0x3fff_ffff

/** The frame of a page table entry. @internal */
export function entryFrame(entry: number): number {
  return entry & FRAME_MASK
}

/** The permissions (bits of BusAccess) of a page table entry. @internal */
export function entryPerms(entry: number): number {
  return entry >>> PERMS_SHIFT
}

/**
 * From device page number to frame and permissions: three levels of 1,024, for page numbers below 2^30. Tables are made
 * when first needed; an unmap that clears the whole of a table lets it go, a smaller one keeps it for the next mapping.
 * @see drivers/iommu/generic_pt/iommu_pt.h
 * @internal
 */
export class PageTable {
  readonly #directories: (Int32Array | undefined)[][] = []
  /** The table that was used last, and the number of its first page divided by 1,024. */
  #leaf: Int32Array | null = null
  #leafIndex = -1
  #mapped = 0

  /** Pages that are mapped. */
  get mapped(): number {
    return this.#mapped
  }

  /** The leaf table that holds the entry of a page, null if there is none. */
  leafOf(pfn: number): Int32Array | null {
    const index = pfn >> LEAF_SHIFT
    return index === this.#leafIndex ? this.#leaf : this.#find(index)
  }

  /** The entry of a page, 0 if there is none. */
  lookup(pfn: number): number {
    return this.leafOf(pfn)?.[pfn & LEAF_MASK] ?? 0
  }

  /** Maps neighbouring pages to neighbouring frames. Nothing may be mapped there: asserted. */
  map(pfn: number, frame: number, pages: number, perms: number): void {
    assert(frame >= 0 && frame + pages - 1 <= FRAME_MASK, 'PageTable.map: frame out of range')
    assert(perms > 0 && perms <= 3, 'PageTable.map: bad permissions')
    const entry = frame | (perms << PERMS_SHIFT)
    this.#mapped += pages
    const leaf = this.#leaf
    if (pages === 1 && leaf !== null && pfn >> LEAF_SHIFT === this.#leafIndex) {
      const at = pfn & LEAF_MASK
      assert(leaf[at] === 0, 'PageTable.map: mapped already')
      leaf[at] = entry
      return
    }
    this.#mapRun(pfn, pages, entry)
  }

  #mapRun(pfn: number, pages: number, entry: number): void {
    let done = 0
    while (done < pages) {
      const at = (pfn + done) & LEAF_MASK
      const end = Math.min(at + pages - done, LEAF_SIZE)
      const leaf = this.#findOrMake((pfn + done) >> LEAF_SHIFT)
      const first = entry + done - at
      for (let i = at; i < end; i++) {
        assert(leaf[i] === 0, 'PageTable.map: mapped already')
        leaf[i] = first + i
      }
      done += end - at
    }
  }

  /** Clears entries that must all be there: asserted. */
  unmap(pfn: number, pages: number): void {
    this.#mapped -= pages
    const leaf = this.#leaf
    if (pages === 1 && leaf !== null && pfn >> LEAF_SHIFT === this.#leafIndex) {
      const at = pfn & LEAF_MASK
      assert(leaf[at] !== 0, 'PageTable.unmap: not mapped')
      leaf[at] = 0
      return
    }
    this.#unmapRun(pfn, pages)
  }

  #unmapRun(pfn: number, pages: number): void {
    let done = 0
    while (done < pages) {
      const at = (pfn + done) & LEAF_MASK
      const end = Math.min(at + pages - done, LEAF_SIZE)
      const leaf = this.leafOf(pfn + done)
      assert(leaf !== null, 'PageTable.unmap: not mapped')
      for (let i = at; i < end; i++) {
        assert(leaf[i] !== 0, 'PageTable.unmap: not mapped')
        leaf[i] = 0
      }
      if (end - at === LEAF_SIZE) this.#drop((pfn + done) >> LEAF_SHIFT)
      done += end - at
    }
  }

  #find(index: number): Int32Array | null {
    const leaf = this.#directories[index >> LEAF_SHIFT]?.[index & LEAF_MASK]
    if (leaf === undefined) return null
    this.#leaf = leaf
    this.#leafIndex = index
    return leaf
  }

  #findOrMake(index: number): Int32Array {
    const found = index === this.#leafIndex ? this.#leaf : this.#find(index)
    if (found !== null) return found
    const upper = index >> LEAF_SHIFT
    assert(upper >= 0 && upper < DIRECTORY_SIZE, 'PageTable: page number out of range')
    while (this.#directories.length <= upper) this.#directories.push([])
    const directory = this.#directories[upper]
    assert(directory !== undefined, 'PageTable: no directory')
    const leaf = new Int32Array(LEAF_SIZE)
    directory[index & LEAF_MASK] = leaf
    this.#leaf = leaf
    this.#leafIndex = index
    return leaf
  }

  #drop(index: number): void {
    const directory = this.#directories[index >> LEAF_SHIFT]
    if (directory !== undefined) directory[index & LEAF_MASK] = undefined
    if (this.#leafIndex !== index) return
    this.#leaf = null
    this.#leafIndex = -1
  }
}
