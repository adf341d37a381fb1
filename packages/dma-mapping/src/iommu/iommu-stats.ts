// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Counters of all domains of an IOMMU. */
export interface IommuStats {
  /** Mappings made and undone, not pages. */
  maps: number
  unmaps: number
  /** Flushes of the IOTLB, of a range or of a whole domain. */
  iotlbFlushes: number
  tlbHits: number
  tlbMisses: number
  /** Accesses refused. */
  faults: number
  /** In checked mode: accesses served from an entry whose mapping is gone. Never in a strict domain. */
  staleHits: number
}
