// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { Folio } from './folio-queue.ts'

/**
 * The folios of a file by page index, as a page cache holds them. A folio of order n fills 2^n indices, from one that is a
 * multiple of 2^n. Indices without a folio are holes.
 *
 * Of the kernel's xarray this is the part that an iterator reads: no marks, no value entries, no locks.
 * @see include/linux/xarray.h struct xarray
 */
export class FolioXarray {
  readonly #byIndex = new Map<number, Folio>()

  /** Puts a folio at its indices; folios that were at any of them are gone from all of theirs. @see lib/xarray.c xa_store */
  store(index: number, folio: Folio): void {
    const pages = 1 << folio.order
    assert(index >= 0 && index % pages === 0, 'folio xarray: index is no multiple of the folio')
    for (let i = 0; i < pages; i += 1) this.erase(index + i)
    for (let i = 0; i < pages; i += 1) this.#byIndex.set(index + i, folio)
  }

  /** Takes away the folio that covers an index, whole. @see lib/xarray.c xa_erase */
  erase(index: number): void {
    const folio = this.load(index)
    if (folio === null) return
    const pages = 1 << folio.order
    const first = index - (index % pages)
    for (let i = 0; i < pages; i += 1) this.#byIndex.delete(first + i)
  }

  /** The folio that covers an index, or null. @see lib/xarray.c xa_load */
  load(index: number): Folio | null {
    return this.#byIndex.get(index) ?? null
  }
}
