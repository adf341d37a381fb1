// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '@iolayers/kernel'
import { PAGE_SIZE } from '../constants.ts'
import { BusAccess } from '../device/bus.ts'
import { DmaDirection, dmaDirectionName } from '../dma-direction.ts'
import { GivenBack } from '../memory/given-back.ts'
import type { MemoryRegion } from '../memory/memory-region.ts'
import type { SgTable } from '../sg/sg-table.ts'
import { type DebugKind, DebugMapping, onePiece, piecesOf } from './debug-mapping.ts'
import { UnfinishedCopies } from './unfinished-copies.ts'

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
  | 'dma-free-mapped'
  | 'dma-given-back'
  | 'cpu-given-back'
  | 'dma-unfinished-copy'

/**
 * Checked mode: every mapping of one physical memory, and who owns each byte of it. Finds what CONFIG_DMA_API_DEBUG finds,
 * and besides that accesses by the CPU to bytes that a device owns, and by a device to mapped bytes that it does not own.
 *
 * Memory that was given back: pages that are freed while a device has them mapped, and whoever maps or touches pages after they were freed. And bytes that
 * a copy under way is still to write (see {@link copyBegins}).
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
  readonly #regionAt: (addr: number) => MemoryRegion | null
  readonly #givenBack: GivenBack = new GivenBack()
  readonly #copies: UnfinishedCopies = new UnfinishedCopies()

  constructor(kernel: Kernel, regionAt: (addr: number) => MemoryRegion | null) {
    this.#kernel = kernel
    this.#regionAt = regionAt
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

  /** Frames of a region, by their index in it, belong to somebody. */
  pagesAllocated(region: MemoryRegion, index: number, frames: number): void {
    this.#givenBack.unmark(region, index, frames)
  }

  /** They belong to nobody any more. */
  pagesFreed(region: MemoryRegion, index: number, frames: number): void {
    this.#givenBack.mark(region, index, frames)
    const physAddr = region.baseAddr + index * PAGE_SIZE
    const length = frames * PAGE_SIZE
    const copy = this.#copies.at(physAddr, length)
    if (copy !== null)
      this.#kernel.report({
        check: 'dma-unfinished-copy' satisfies DmaCheck,
        message: `${frames} pages at ${hex(physAddr)} were given back, which ${copy} is still to write`,
      })
    for (const mapping of this.#mappings) {
      if (!mapping.somePhys(physAddr, length, () => true)) continue
      this.#report(
        'dma-free-mapped',
        mapping.owner,
        `${frames} pages at ${hex(physAddr)} were given back while the device has them mapped`,
      )
      return
    }
  }

  /**
   * A copy by somebody else than the CPU is to write these bytes some time before {@link copyEnds}: until then whoever reads or writes them, other than the
   * copy, has not waited for it. Returns what `copyEnds` takes.
   */
  copyBegins(name: string, targetAddr: number, length: number): number {
    return this.#copies.begin(name, targetAddr, length)
  }

  copyEnds(id: number): void {
    this.#copies.end(id)
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
    this.#cpuTouches(physAddr, length, write)
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
  deviceAccess(
    owner: object,
    physAddr: number,
    dmaAddr: number,
    length: number,
    access: BusAccess,
  ): void {
    this.#deviceTouches(owner, physAddr, dmaAddr, length, access)
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

  #cpuTouches(physAddr: number, length: number, write: boolean): void {
    const what = `the CPU ${write ? 'writes' : 'reads'} ${length} bytes at ${hex(physAddr)}`
    if (this.#isGivenBack(physAddr, length))
      this.#kernel.report({
        check: 'cpu-given-back' satisfies DmaCheck,
        message: `${what}, which were given back`,
      })
    const copy = this.#copies.at(physAddr, length)
    if (copy === null) return
    this.#kernel.report({
      check: 'dma-unfinished-copy' satisfies DmaCheck,
      message: `${what}, which ${copy} is still to write`,
    })
  }

  #deviceTouches(
    owner: object,
    physAddr: number,
    dmaAddr: number,
    length: number,
    access: BusAccess,
  ): void {
    const verb = access === BusAccess.READ ? 'reads' : 'writes'
    const what = `the device ${verb} ${length} bytes at device address ${hex(dmaAddr)}`
    if (this.#isGivenBack(physAddr, length))
      this.#report('dma-given-back', owner, `${what}: memory that was given back`)
    const copy = this.#copies.at(physAddr, length)
    if (copy !== null)
      this.#report('dma-unfinished-copy', owner, `${what}, which ${copy} is still to write`)
  }

  #isGivenBack(physAddr: number, length: number): boolean {
    const region = this.#regionAt(physAddr)
    if (region === null) return false
    return this.#givenBack.touches(region, physAddr - region.baseAddr, length)
  }

  #reportGivenBack(mapping: DebugMapping): void {
    for (let i = 0; i < mapping.pieceCount; i++) {
      if (!this.#isGivenBack(mapping.physAt(i), mapping.lengthAt(i))) continue
      const what = `a mapping of ${mapping.lengthAt(i)} bytes at ${hex(mapping.physAt(i))}`
      this.#report('dma-given-back', mapping.owner, `${what}: memory that was given back`)
      return
    }
  }

  #add(mapping: DebugMapping, owned: boolean): void {
    const overlap = owned && this.#overlaps(mapping)
    this.#mappings.add(mapping)
    if (owned) mapping.ownAll()
    this.#reportGivenBack(mapping)
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
      if (mapping.kind === kind) score += 8
      if (mapping.totalBytes === length) score += 4
      if (mapping.direction === direction) score += 2
      // Of two that are alike the one is undone that the device is done with.
      if (mapping.owned.isEmpty) score += 1
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
