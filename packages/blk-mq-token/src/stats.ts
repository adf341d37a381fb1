// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** What a token factory has done, summed over all of its tokens. Counts only ever grow, except the `Live` ones. */
export interface DmabufTokenStats {
  /** Registrations made, those with stacked devices and those below them. */
  tokens: number
  /** Registrations not yet released. */
  tokensLive: number
  /** Generations mapped and published. */
  mapsMade: number
  /** Generations that an exporter's invalidation took away. */
  mapsLost: number
  /** Generations whose device addresses are still mapped. */
  mapsLive: number
  /** Generations of stacked tokens published. */
  stackedMapsMade: number
  /** Generations of stacked tokens that ended because a child's did. */
  stackedMapsLost: number
  /** Times a driver asked for `active` on a generation that was already dead. */
  staleRefusals: number
  /** Drain fences handed to a reservation object. */
  drainFences: number
  /** Invalidations that drained in place because no fence slot could be reserved. */
  drainFallbacks: number
}

export function createStats(): DmabufTokenStats {
  return {
    tokens: 0,
    tokensLive: 0,
    mapsMade: 0,
    mapsLost: 0,
    mapsLive: 0,
    stackedMapsMade: 0,
    stackedMapsLost: 0,
    staleRefusals: 0,
    drainFences: 0,
    drainFallbacks: 0,
  }
}
