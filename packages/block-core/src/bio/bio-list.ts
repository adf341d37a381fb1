// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { BlkStatus } from '../blk-status.ts'
import type { Bio } from './bio.ts'
import { bioEndWith } from './bio-chain.ts'

/**
 * Bios one behind the other, linked through `biNext`: a bio is on one list at most, and not in a request. Nothing is allocated.
 * @see include/linux/bio.h struct bio_list
 */
export class BioList {
  #head: Bio | null
  #tail: Bio | null

  constructor() {
    this.#head = null
    this.#tail = null
  }

  get empty(): boolean {
    return this.#head === null
  }

  peek(): Bio | null {
    return this.#head
  }

  /** @see include/linux/bio.h bio_list_add */
  add(bio: Bio): void {
    assert(bio.biNext === null && bio !== this.#tail, 'bio list: the bio is on a list')
    if (this.#tail === null) this.#head = bio
    else this.#tail.biNext = bio
    this.#tail = bio
  }

  /** @see include/linux/bio.h bio_list_pop */
  pop(): Bio | null {
    const bio = this.#head
    if (bio === null) return null
    this.#head = bio.biNext
    if (this.#head === null) this.#tail = null
    bio.biNext = null
    return bio
  }

  /** Takes over the bios of another, behind its own. @see include/linux/bio.h bio_list_merge */
  merge(other: BioList): void {
    if (other.#head === null || other === this) return
    if (this.#tail === null) this.#head = other.#head
    else this.#tail.biNext = other.#head
    this.#tail = other.#tail
    other.#head = null
    other.#tail = null
  }

  /**
   * Ends all of them in order, in one go, each with its own error or else with `status`: a driver gathers what is done and ends it when it
   * holds nothing any more. What is added in the course of it waits for the next time.
   */
  endAll(status: BlkStatus): void {
    let bio = this.#head
    this.#head = null
    this.#tail = null
    while (bio !== null) {
      const next: Bio | null = bio.biNext
      bio.biNext = null
      bioEndWith(bio, status)
      bio = next
    }
  }
}
