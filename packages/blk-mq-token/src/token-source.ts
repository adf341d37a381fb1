// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The registrations as a list that can be walked while I/O goes on: what a BPF iterator target is made over. An item is a copy with the
// number of its token: a token has no reference to take, and whoever releases one must not wait for a reader.

import type { InvalidationPolicyName } from './invalidation.ts'
import type { TokenList } from './token-list.ts'

/**
 * `unmapped`: no I/O has needed a map yet, or the last one is gone. `mapped`: there is a current map. `draining`: there is none, and a map that was
 * killed still has DMA in flight. `unmapping`: its DMA is over, its addresses are not gone yet. `releasing`: the registration ends.
 */
export type TokenState = 'unmapped' | 'mapped' | 'draining' | 'unmapping' | 'releasing'

/** The current map of a token. */
export interface ListedMap {
  readonly generation: number
  /** Software references, with the two for being published and being mapped. */
  readonly refs: number
  /** Requests that may be doing DMA; null for a stacked map, which has none of its own. */
  readonly active: number | null
  /** Ranges of device addresses; null for a stacked map. */
  readonly segments: number | null
  /** The power of two that every segment is a multiple of. */
  readonly granuleBytes: number
}

/** A registration as it was when it was last looked at. */
export interface ListedTokenFields {
  /** From 1, in the order of registration; unlike for all tokens of a factory. */
  readonly id: number
  /** The token of the stacked device that this one belongs to. */
  readonly parent: number | null
  readonly device: string
  /** Of the dma-buf. */
  readonly inode: number
  readonly sizeBytes: number
  readonly direction: string
  /** `stacked`: its maps are over those of its children, and each child has a policy. */
  readonly policy: InvalidationPolicyName | 'stacked'
  readonly state: TokenState
  /** Generations made so far. */
  readonly generations: number
  /** Generations whose device addresses are mapped now. */
  readonly mapsLive: number
  readonly map: ListedMap | null
}

/** What can be listed. */
export interface ListableToken {
  readonly id: number
  describe(): ListedTokenFields
}

/** An item of a walk. */
export class ListedToken {
  fields: ListedTokenFields
  readonly #token: ListableToken

  constructor(token: ListableToken) {
    this.#token = token
    this.fields = token.describe()
  }

  /** Copies anew; false when the registration is over. */
  refresh(tokens: TokenList<ListableToken>): boolean {
    const live = tokens.has(this.#token)
    if (live) this.fields = this.#token.describe()
    return live
  }
}

/**
 * An iterator source: what `bpf-iter` declares as `IterSource`. Walks the tokens of one factory, the newest first.
 *
 * A token that is there from the beginning to the end of a walk is listed once; one that is released before it is shown, or made during the walk, is
 * not. Nothing is held: a reader that stops half-way holds up no release.
 */
export interface TokenSource {
  begin(): ListedToken | null
  next(current: ListedToken): ListedToken | null
  /** Nothing is held. */
  put(item: ListedToken): void
  /** Copies the token anew; false when it was released. */
  live(item: ListedToken): boolean
  /** One line, `name=value` with a space in between; what belongs to a map is `-` where there is none. */
  show(item: ListedToken): string
}

export function createTokenSource(tokens: TokenList<ListableToken>): TokenSource {
  const itemOf = (token: ListableToken | null): ListedToken | null =>
    token === null ? null : new ListedToken(token)
  return {
    begin: () => itemOf(tokens.newest()),
    next: (current) => itemOf(tokens.before(current.fields.id)),
    put: () => undefined,
    live: (item) => item.refresh(tokens),
    show: ({ fields }) => formatToken(fields),
  }
}

function formatToken(token: ListedTokenFields): string {
  const { id, parent, device, inode, sizeBytes, direction, policy, state } = token
  const registration = `id=${id} parent=${parent ?? '-'} dev=${device} inode=${inode} bytes=${sizeBytes} direction=${direction} policy=${policy}`
  const { generations, mapsLive, map } = token
  const current = `generation=${map?.generation ?? '-'} refs=${map?.refs ?? '-'} active=${map?.active ?? '-'} segments=${map?.segments ?? '-'} granule=${map?.granuleBytes ?? '-'}`
  return `${registration} state=${state} generations=${generations} maps=${mapsLive} ${current}\n`
}
