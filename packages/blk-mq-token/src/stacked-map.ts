// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmabufIoMap } from '@iolayers/block-core'
import type { DmaSegmentTable } from '@iolayers/dma-mapping'
import { assert, RefCount } from '@iolayers/kernel'

/**
 * One generation of a stacked token: the generations of its children that were current together. It has no addresses, and nothing here
 * knows of DMA: that is between the drivers below and the children's maps.
 *
 * `refs` starts at one, for being published. As long as there is any, the children's maps are referenced once each.
 */
export class StackedMap implements DmabufIoMap {
  readonly sizeBytes: number
  readonly granuleShift: number
  readonly generation: number
  /** Unpublished: a child's map died, or the token was released. Nothing makes it live again. */
  dead: boolean
  readonly #children: readonly DmabufIoMap[]
  readonly #refs: RefCount

  /** Takes over one reference on each of `children`. */
  constructor(sizeBytes: number, generation: number, children: readonly DmabufIoMap[]) {
    this.sizeBytes = sizeBytes
    this.granuleShift = Math.min(...children.map(({ granuleShift }) => granuleShift))
    this.generation = generation
    this.dead = false
    this.#children = children
    this.#refs = new RefCount(1)
  }

  /** Software references, to be shown. */
  get refs(): number {
    return this.#refs.read()
  }

  get hasDeadChild(): boolean {
    return this.#children.some(({ dead }) => dead)
  }

  childMap(index: number): DmabufIoMap {
    const child = this.#children[index]
    assert(child !== undefined, 'a stacked map has no such child')
    return child
  }

  get(): void {
    this.#refs.inc()
  }

  put(): void {
    if (!this.#refs.decAndTest()) return
    for (const child of this.#children) child.put()
  }

  /** No later lookup finds it. */
  unpublish(): void {
    this.dead = true
    this.put()
  }

  tryGetActive(): DmaSegmentTable | null {
    assert(false, 'a stacked map has no device addresses: the maps of its children have')
  }

  putActive(): void {
    assert(false, 'a stacked map has no device addresses: the maps of its children have')
  }
}
