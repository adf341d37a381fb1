// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '@iolayers/kernel'
import { BusAccess } from '../device/bus.ts'
import { DmaDirection, dmaDirectionName } from '../dma-direction.ts'
import type { SgTable } from '../sg/sg-table.ts'
import { type DebugKind, DebugMapping, onePiece, piecesOf } from './debug-mapping.ts'

/** What checked mode finds. Each is the name of a check in a report. */
export type DmaCheck =
  | 'dma-double-unmap'
  | 'dma-wrong-size'
  | 'dma-wrong-kind'
  | 'dma-wrong-direction'
  | 'dma-overlap'
  | 'dma-sync-outside'
  | 'dma-cpu-access'
  | 'dma-device-access'
  | 'dma-leak'

/**
 * Checked mode: every mapping of one physical memory, and who owns each byte of it. Finds what CONFIG_DMA_API_DEBUG finds,
 * and besides that accesses by the CPU to bytes that a device owns, and by a device to mapped bytes that it does not own.
 *
 * Overlap: two mappings that share bytes, unless data only goes to the devices, or both are scatterlists that name the same
 * pieces (a buffer shared by several importers), or a mapping skips the syncs.
 *
 * Findings go to `kernel.report`, which throws unless it was told otherwise; nothing here changes what the mapping does.
 * @see kernel/dma/debug.c
 */
export class DmaDebug {
  readonly #kernel: Kernel
  readonly #mappings: Set<DebugMapping> = new Set()
  readonly #names: WeakMap<object, string> = new WeakMap()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Mappings that are there now. */
  get count(): number {
    return this.#mappings.size
  }

  /** Gives an owner of mappings the name that reports use. */
  register(owner: object, name: string): void {
    this.#names.set(owner, name)
  }

  mapSingle(
    owner: object,
    physAddr: number,
    dmaAddr: number,
    length: number,
    direction: DmaDirection,
  ): void {
    const pieces = onePiece(physAddr, dmaAddr, length)
    this.#add(new DebugMapping(owner, 'single', direction, pieces), true)
  }

  mapSgtable(owner: object, table: SgTable, direction: DmaDirection, skipSync: boolean): void {
    this.#add(new DebugMapping(owner, 'sgtable', direction, piecesOf(table)), !skipSync)
  }

  allocCoherent(owner: object, physAddr: number, dmaAddr: number, length: number): void {
    const pieces = onePiece(physAddr, dmaAddr, length)
    this.#mappings.add(new DebugMapping(owner, 'coherent', DmaDirection.BIDIRECTIONAL, pieces))
  }

  /**
   * How many bytes the mapping has that is to be undone, -1 if there is none: the caller then leaves everything as it is. A
   * mapping of another kind is not undone.
   */
  unmap(
    owner: object,
    kind: DebugKind,
    dmaAddr: number,
    length: number,
    direction: DmaDirection,
  ): number {
    const mapping = this.#find(owner, kind, dmaAddr, length, direction)
    const what = `unmap of ${length} bytes at device address ${hex(dmaAddr)}`
    if (mapping === null) {
      this.#report('dma-double-unmap', owner, `${what}: nothing is mapped there`)
      return -1
    }
    if (mapping.kind !== kind) {
      this.#report('dma-wrong-kind', owner, `${what} as ${kind}: mapped as ${mapping.kind}`)
      return -1
    }
    this.#mappings.delete(mapping)
    if (mapping.totalBytes !== length)
      this.#report('dma-wrong-size', owner, `${what}: mapped with ${mapping.totalBytes} bytes`)
    if (mapping.direction !== direction) this.#reportDirection(mapping, direction, what)
    return mapping.totalBytes
  }

  /** Where several mappings hold the range (without an IOMMU), those of a fitting direction are meant. */
  sync(
    owner: object,
    dmaAddr: number,
    length: number,
    direction: DmaDirection,
    forDevice: boolean,
  ): void {
    const what = `sync for ${forDevice ? 'device' : 'cpu'} of ${length} bytes at ${hex(dmaAddr)}`
    let other: DebugMapping | null = null
    let found = false
    for (const mapping of this.#mappings) {
      if (mapping.owner !== owner || !mapping.containsDma(dmaAddr, length)) continue
      if (mapping.direction !== direction && mapping.direction !== DmaDirection.BIDIRECTIONAL) {
        other = mapping
        continue
      }
      found = true
      if (mapping.kind !== 'coherent') mapping.handOver(dmaAddr, length, forDevice)
    }
    if (found) return
    if (other === null) this.#report('dma-sync-outside', owner, `${what}: not inside one mapping`)
    else this.#reportDirection(other, direction, what)
  }

  /** Reading bytes that a device only reads is allowed. */
  cpuAccess(physAddr: number, length: number, write: boolean): void {
    for (const mapping of this.#mappings) {
      if (mapping.owned.isEmpty) continue
      if (!write && mapping.direction === DmaDirection.TO_DEVICE) continue
      const bad = mapping.somePhys(physAddr, length, (piece) => {
        const delta = mapping.dmaAt(piece) - mapping.physAt(piece)
        const start = Math.max(physAddr, mapping.physAt(piece))
        const end = Math.min(physAddr + length, mapping.physAt(piece) + mapping.lengthAt(piece))
        return mapping.owned.intersects(start + delta, end + delta)
      })
      if (!bad) continue
      this.#report(
        'dma-cpu-access',
        mapping.owner,
        `the CPU ${write ? 'writes' : 'reads'} ${length} bytes at ${hex(physAddr)}, which the device owns`,
      )
      return
    }
  }

  /** Bytes that no mapping names (the rest of a page, or all memory in passthrough mode) are not judged. */
  deviceAccess(owner: object, dmaAddr: number, length: number, access: BusAccess): void {
    let named = false
    for (const mapping of this.#mappings) {
      if (mapping.owner !== owner || !mapping.containsDma(dmaAddr, length)) continue
      if (mapping.kind === 'coherent' || mapping.owned.covers(dmaAddr, dmaAddr + length)) return
      named = true
    }
    if (!named) return
    const verb = access === BusAccess.READ ? 'reads' : 'writes'
    this.#report(
      'dma-device-access',
      owner,
      `the device ${verb} ${length} bytes at device address ${hex(dmaAddr)}, which the CPU owns`,
    )
  }

  /** Reports and forgets what an owner still has mapped. @see kernel/dma/debug.c dma_debug_device_change */
  ownerGone(owner: object): void {
    let left = 0
    let bytes = 0
    for (const mapping of this.#mappings) {
      if (mapping.owner !== owner) continue
      left++
      bytes += mapping.totalBytes
      this.#mappings.delete(mapping)
    }
    if (left > 0)
      this.#report('dma-leak', owner, `${left} mappings of ${bytes} bytes are left at its end`)
  }

  #add(mapping: DebugMapping, owned: boolean): void {
    const overlap = owned && this.#overlaps(mapping)
    this.#mappings.add(mapping)
    if (owned) mapping.ownAll()
    if (overlap)
      this.#report(
        'dma-overlap',
        mapping.owner,
        `a mapping of ${mapping.totalBytes} bytes at device address ${hex(mapping.dmaAt(0))} shares bytes with another`,
      )
  }

  #overlaps(mapping: DebugMapping): boolean {
    for (const other of this.#mappings) {
      if (other.owned.isEmpty) continue
      if (
        mapping.direction === DmaDirection.TO_DEVICE ||
        other.direction === DmaDirection.TO_DEVICE
      )
        continue
      if (sharesBytes(mapping, other)) return true
    }
    return false
  }

  #find(
    owner: object,
    kind: DebugKind,
    dmaAddr: number,
    length: number,
    direction: DmaDirection,
  ): DebugMapping | null {
    // The best match, as several mappings may begin at one address without an IOMMU.
    let best: DebugMapping | null = null
    let bestScore = -1
    for (const mapping of this.#mappings) {
      if (mapping.owner !== owner || mapping.dmaAt(0) !== dmaAddr) continue
      let score = 0
      if (mapping.kind === kind) score += 4
      if (mapping.totalBytes === length) score += 2
      if (mapping.direction === direction) score += 1
      if (score <= bestScore) continue
      best = mapping
      bestScore = score
    }
    return best
  }

  #reportDirection(mapping: DebugMapping, direction: DmaDirection, what: string): void {
    const names = `${dmaDirectionName(direction)}: mapped ${dmaDirectionName(mapping.direction)}`
    this.#report('dma-wrong-direction', mapping.owner, `${what} ${names}`)
  }

  #report(check: DmaCheck, owner: object, text: string): void {
    this.#kernel.report({ check, message: `${this.#names.get(owner) ?? 'device'}: ${text}` })
  }
}

function sharesBytes(mapping: DebugMapping, other: DebugMapping): boolean {
  const both = mapping.kind === 'sgtable' && other.kind === 'sgtable'
  for (let i = 0; i < mapping.pieceCount; i++) {
    const start = mapping.physAt(i)
    const length = mapping.lengthAt(i)
    const bad = other.somePhys(
      start,
      length,
      (piece) => !both || other.physAt(piece) !== start || other.lengthAt(piece) !== length,
    )
    if (bad) return true
  }
  return false
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
