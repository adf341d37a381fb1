// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The namespaces of a controller. One that is allocated has blocks and an identifier; one that is attached takes commands. One that is being formatted is neither
// for I/O nor gone.

import { type Kernel, KernelError } from '@iolayers/kernel'
import type { NamespaceInit, NamespaceStore } from '../contracts.ts'
import { within } from '../controller-init.ts'
import type { ControllerFaults } from '../fault-hooks.ts'
import { makeNamespace, type Namespace } from '../io/namespace.ts'
import { NAMESPACES_MAX } from '../namespaces-max.ts'
import type { AsyncEvents } from './async-events.ts'

/** Identifiers that the list of changes holds; with more it says only that there are many. @see NVMe Base 2.1, 5.1.12.1.5 */
export const CHANGES_MAX = 1024

/** Where created namespaces get their blocks from. */
export interface NamespaceCapacity {
  /** TNVMCAP: of all namespaces that were created together. */
  readonly totalBytes: number
  /** The store of a new namespace. Throws KernelError where it cannot be had: the command then ends with Namespace Insufficient Capacity. */
  allocate(sizeBytes: number): NamespaceStore
}

interface Allocated {
  readonly namespace: Namespace
  /** Made by `NamespaceCapacity`: the controller closes it. */
  readonly own: boolean
}

export class NamespaceTable {
  /** Those that take commands. */
  readonly attached: Map<number, Namespace> = new Map()
  readonly formatting: Set<number> = new Set()
  readonly #kernel: Kernel
  readonly #events: AsyncEvents
  readonly #capacity: NamespaceCapacity | null
  readonly #faults: ControllerFaults | null
  readonly #allocated: Map<number, Allocated> = new Map()
  #changed: Set<number> = new Set()

  constructor(
    components: {
      readonly kernel: Kernel
      readonly events: AsyncEvents
      readonly faults: ControllerFaults | null
    },
    capacity: NamespaceCapacity | null,
  ) {
    this.#kernel = components.kernel
    this.#events = components.events
    this.#faults = components.faults
    this.#capacity = capacity
  }

  get totalBytes(): number {
    return this.#capacity?.totalBytes ?? 0
  }

  get freeBytes(): number {
    let used = 0
    for (const { namespace, own } of this.#allocated.values()) {
      if (own) used += namespace.blocks * namespace.blockBytes
    }
    return this.totalBytes - used
  }

  /** Identifiers of all that are allocated, in order. */
  get allocatedIds(): readonly number[] {
    return [...this.#allocated.keys()].toSorted((a, b) => a - b)
  }

  get attachedIds(): readonly number[] {
    return [...this.attached.keys(), ...this.formatting].toSorted((a, b) => a - b)
  }

  allocatedNamespace(nsid: number): Namespace | null {
    return this.#allocated.get(nsid)?.namespace ?? null
  }

  isAttached(nsid: number): boolean {
    return this.attached.has(nsid) || this.formatting.has(nsid)
  }

  /** By whoever has the controller. Throws EEXIST, EINVAL. */
  add(nsid: number, init: NamespaceInit): void {
    within('nsid', nsid, 1, NAMESPACES_MAX)
    if (this.#allocated.has(nsid)) {
      throw new KernelError('EEXIST', `namespace ${nsid} is there already`)
    }
    const namespace = this.#make(init)
    this.#allocated.set(nsid, { namespace, own: false })
    this.attached.set(nsid, namespace)
    this.changed(nsid)
  }

  /** The store stays the caller's. Commands that are at it end. Throws ENOENT. */
  remove(nsid: number): void {
    if (!this.#allocated.has(nsid)) throw noSuch(nsid)
    this.#forget(nsid)
  }

  /** The store has another size now, or another one takes its place. Throws ENOENT, EINVAL. */
  replace(nsid: number, init: NamespaceInit): void {
    const before = this.#allocated.get(nsid)
    if (before === undefined) throw noSuch(nsid)
    this.#put(nsid, this.#make({ logicalBlockBytes: before.namespace.blockBytes, ...init }))
  }

  /** For a host. Null where there is not so much. Throws what the allocation throws. */
  create(blocks: number, logicalBlockBytes: 512 | 4096): number | null {
    const nsid = this.#freeId()
    const sizeBytes = blocks * logicalBlockBytes
    if (this.#capacity === null || nsid === null || sizeBytes > this.freeBytes) return null
    const store = this.#capacity.allocate(sizeBytes)
    this.#allocated.set(nsid, { namespace: this.#make({ store, logicalBlockBytes }), own: true })
    return nsid
  }

  get hasFreeId(): boolean {
    return this.#freeId() !== null
  }

  delete(nsid: number): void {
    const own = this.#allocated.get(nsid)?.own === true
    const store = this.allocatedNamespace(nsid)?.store
    this.#forget(nsid)
    if (own && store !== undefined) this.#kernel.scheduler.spawn('nvme namespace', store.close())
  }

  attach(nsid: number): void {
    const namespace = this.allocatedNamespace(nsid)
    if (namespace === null) return
    this.attached.set(nsid, namespace)
    this.changed(nsid)
  }

  detach(nsid: number): void {
    this.attached.delete(nsid)
    this.formatting.delete(nsid)
    this.changed(nsid)
  }

  /** No command of the namespace is taken until `formatted`. */
  format(nsid: number): void {
    this.attached.delete(nsid)
    this.formatting.add(nsid)
  }

  formatted(nsid: number, logicalBlockBytes: 512 | 4096): void {
    this.formatEnded(nsid)
    const namespace = this.allocatedNamespace(nsid)
    if (namespace === null) return
    this.#put(nsid, this.#make({ store: namespace.store, logicalBlockBytes }))
  }

  /** Commands are taken again, of the namespace as it was. */
  formatEnded(nsid: number): void {
    const namespace = this.allocatedNamespace(nsid)
    if (this.formatting.delete(nsid) && namespace !== null) this.attached.set(nsid, namespace)
  }

  /** The list of changes since it was last taken, in order; null when there were too many. @see NVMe Base 2.1, 5.1.12.1.5 */
  takeChanges(clear: boolean): readonly number[] | null {
    const changed = [...this.#changed].toSorted((a, b) => a - b)
    if (clear) this.#changed = new Set()
    return changed.length > CHANGES_MAX ? null : changed
  }

  #make(init: NamespaceInit): Namespace {
    const store = this.#faults?.medium(init.store) ?? init.store
    return makeNamespace({ ...init, store })
  }

  #put(nsid: number, namespace: Namespace): void {
    const own = this.#allocated.get(nsid)?.own === true
    this.#allocated.set(nsid, { namespace, own })
    if (this.attached.has(nsid)) this.attached.set(nsid, namespace)
    this.changed(nsid)
  }

  #forget(nsid: number): void {
    const wasAttached = this.isAttached(nsid)
    this.#allocated.delete(nsid)
    this.attached.delete(nsid)
    this.formatting.delete(nsid)
    if (wasAttached) this.changed(nsid)
  }

  /** Told to the host, if it wants to hear of it. */
  changed(nsid: number): void {
    this.#changed.add(nsid)
    this.#events.namespacesChanged()
  }

  #freeId(): number | null {
    for (let nsid = 1; nsid <= NAMESPACES_MAX; nsid++) if (!this.#allocated.has(nsid)) return nsid
    return null
  }
}

function noSuch(nsid: number): KernelError {
  return new KernelError('ENOENT', `namespace ${nsid} is not there`)
}
