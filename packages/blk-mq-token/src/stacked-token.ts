// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The token of a stacked device: one registration of a buffer with each of the devices below, and maps over their maps. How its
// generations come and go:
//
//   getMap: the current map of each child, one after the other; each may be waited for
//      |
//      |  no wait from here on
//      |- a child's map died meanwhile: begin again, a bounded number of times
//      |- somebody else published a generation meanwhile: it is over the same maps, and is taken
//      v
//   PUBLISHED ---- a child's map dies, release ----> dead
//
// A child tells its parent inside the invalidation, before it lets go of the map, so no lookup finds a generation with a dead child. It
// takes no lock: what has to be one piece is one uninterrupted piece of code.

import type { DmabufIoMap, DmabufToken, DmabufTokenParent } from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import { type DmaDirection, dmaDirectionName } from '@iolayers/dma-mapping'
import { assert, Completion, type Kernel, KernelError, type Op } from '@iolayers/kernel'
import { StackedMap } from './stacked-map.ts'
import type { DmabufTokenStats } from './stats.ts'
import { refusal } from './token-contract.ts'
import type { TokenList } from './token-list.ts'
import type { ListableToken, ListedTokenFields, TokenState } from './token-source.ts'

/** How often getMap begins again because a child's map died while it waited for another's. */
const MAX_ROUNDS = 8

export interface StackedTokenComponents {
  readonly kernel: Kernel
  readonly stats: DmabufTokenStats
  readonly list: TokenList<ListableToken>
  /** Of the stacked device. */
  readonly name: string
  readonly dmabuf: DmaBuf
}

export class StackedToken implements DmabufToken, DmabufTokenParent, ListableToken {
  readonly id: number
  readonly sizeBytes: number
  readonly direction: DmaDirection
  protected readonly components: StackedTokenComponents
  protected readonly children: readonly DmabufToken[]
  protected readonly released: Completion
  protected published: StackedMap | null
  protected parent: DmabufTokenParent | null
  protected generations: number
  protected closing: boolean
  protected removed: boolean

  /** Takes over the children. */
  constructor(
    components: StackedTokenComponents,
    children: readonly DmabufToken[],
    direction: DmaDirection,
  ) {
    const { kernel, stats, list, dmabuf } = components
    this.id = list.nextId()
    this.sizeBytes = dmabuf.sizeBytes
    this.direction = direction
    this.components = components
    this.children = children
    this.released = new Completion(kernel.scheduler, 'stacked dmabuf token release')
    this.published = null
    this.parent = null
    this.generations = 0
    this.closing = false
    this.removed = false
    for (const child of children) child.setParent(this)
    stats.tokens++
    stats.tokensLive++
    list.add(this)
  }

  setParent(parent: DmabufTokenParent): void {
    assert(this.parent === null, 'a token is part of one other at most')
    this.parent = parent
  }

  tryGetMap(): DmabufIoMap | null {
    const map = this.removed ? null : this.published
    map?.get()
    return map
  }

  *getMap(): Op<DmabufIoMap> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      this.refuseIfClosing()
      const present = this.tryGetMap()
      if (present !== null) return present
      const map = yield* this.collect()
      if (map !== null) return map
    }
    throw new KernelError('ESTALE', `dma-buf ${this.components.dmabuf.inode} moved each time`, {
      value: `${MAX_ROUNDS} attempts to get maps of ${this.children.length} devices together`,
    })
  }

  /** Null: a child's map died while another's was waited for. */
  protected *collect(): Op<DmabufIoMap | null> {
    const maps: DmabufIoMap[] = []
    try {
      for (const child of this.children) {
        maps.push(child.tryGetMap() ?? (yield* child.getMap()))
      }
      this.refuseIfClosing()
    } catch (error) {
      putAll(maps)
      throw error
    }
    const raced = this.tryGetMap()
    if (raced !== null || maps.some(({ dead }) => dead)) {
      putAll(maps)
      return raced
    }
    this.generations++
    const map = new StackedMap(this.sizeBytes, this.generations, maps)
    map.get()
    this.published = map
    this.components.stats.stackedMapsMade++
    return map
  }

  childMapLost(): void {
    if (this.published?.hasDeadChild !== true) return
    this.components.stats.stackedMapsLost++
    this.unpublish()
  }

  protected unpublish(): void {
    const map = this.published
    if (map === null) return
    this.published = null
    map.unpublish()
    this.parent?.childMapLost()
  }

  /** The stacked device goes away. Its children are of no use to anybody else. */
  deviceRemoved(): void {
    this.removed = true
    for (const child of this.children) child.deviceRemoved()
  }

  /** All children, one after the other: each waits for its own device. The first error is thrown afterwards. */
  *detachDevice(): Op<void> {
    this.deviceRemoved()
    this.unpublish()
    const errors = yield* eachInTurn(this.children, (child) => child.detachDevice())
    if (errors.length > 0) throw errors[0]
  }

  /** All children, whatever becomes of one of them; the first error is thrown afterwards. */
  *release(): Op<void> {
    if (this.closing) {
      yield* this.released.wait()
      return
    }
    this.closing = true
    this.unpublish()
    const errors = yield* releaseAll(this.children)
    const { stats, list } = this.components
    stats.tokensLive--
    list.remove(this)
    this.released.completeAll()
    if (errors.length > 0) throw errors[0]
  }

  protected refuseIfClosing(): void {
    if (this.closing) throw refusal(this.components.dmabuf, 'released')
    if (this.removed) throw refusal(this.components.dmabuf, 'removed')
  }

  describe(): ListedTokenFields {
    const map = this.published
    const { name, dmabuf } = this.components
    return {
      id: this.id,
      parent: this.parent?.id ?? null,
      device: name,
      inode: dmabuf.inode,
      sizeBytes: this.sizeBytes,
      direction: dmaDirectionName(this.direction),
      policy: 'stacked',
      state: this.state,
      generations: this.generations,
      mapsLive: map === null ? 0 : 1,
      map:
        map === null
          ? null
          : {
              generation: map.generation,
              refs: map.refs,
              active: null,
              segments: null,
              granuleBytes: 2 ** map.granuleShift,
            },
    }
  }

  protected get state(): TokenState {
    if (this.closing) return 'releasing'
    return this.published === null ? 'unmapped' : 'mapped'
  }
}

function putAll(maps: readonly DmabufIoMap[]): void {
  for (const map of maps) map.put()
}

/** What was thrown. */
export function* releaseAll(tokens: readonly DmabufToken[]): Op<unknown[]> {
  return yield* eachInTurn(tokens, (token) => token.release())
}

function* eachInTurn(
  tokens: readonly DmabufToken[],
  step: (token: DmabufToken) => Op<void>,
): Op<unknown[]> {
  const errors: unknown[] = []
  for (const token of tokens) {
    try {
      yield* step(token)
    } catch (error) {
      errors.push(error)
    }
  }
  return errors
}
