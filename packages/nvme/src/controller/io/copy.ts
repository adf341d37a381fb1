// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getUint64, SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { INVALID_FIELD, INVALID_NAMESPACE, invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { StoreOp } from '../contracts.ts'
import { NAMESPACES_MAX } from '../namespaces-max.ts'
import type { Controller } from '../nvme-controller.ts'
import { receiveData } from '../receive-data.ts'
import { checkPlain, DWORD12_FUA } from './block-command.ts'
import { COPY_LIMITS } from './io-limits.ts'
import { LongCommand } from './long-command.ts'
import { checkRange, checkReadable, type Namespace, namespaceOf } from './namespace.ts'
import { rewritten } from './read-write.ts'
import { SCRATCH_BYTES } from './scratch.ts'

const ENTRY_BYTES = 32
const ENTRY_NSID = 0
const ENTRY_FIRST = 8
const ENTRY_BLOCKS = 16
const ENTRY_EXTENSION = 18
const ENTRY_OPTIONS = 22
/** SOPT: only if it is fast. */
const FAST_ONLY = 1 << 15
/** Of one namespace; of any. The others are for protection information with other tags. */
const SAME_NAMESPACE = 0
const ANY_NAMESPACE = 2
/** PRINFOR and STCR: protection information of what is read. */
const PROTECTION_READ = (0xf << 12) | (1 << 25)

interface Source {
  readonly nsid: number
  readonly namespace: Namespace
  readonly firstBlock: number
  readonly blocks: number
}

/**
 * Copies ranges, in the order of the list, to one that begins at SDLBA. Dword 0 of the completion says, when it failed, the lowest entry that may not have been
 * copied. @see NVM Command Set 1.1, 3.3.2
 */
export function copy(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const namespace = namespaceOf(controller, slot)
  if (typeof namespace === 'number') return namespace
  const dword12 = view.getUint32(at + SqeOffset.CDW12, true)
  const format = (dword12 >>> 8) & 0xf
  if (!formatSupported(controller, format)) return invalidField(slot, SqeOffset.CDW12 + 1)
  if ((dword12 & PROTECTION_READ) !== 0) return invalidField(slot, SqeOffset.CDW12 + 1, 4)
  const wrong = checkPlain(slot, dword12, true)
  if (wrong !== Status.SUCCESS) return wrong
  const count = (dword12 & 0xff) + 1
  if (count > COPY_LIMITS.ranges) return TOO_LONG
  const list = receiveData(controller, slot, view, at, count * ENTRY_BYTES)
  if (typeof list === 'number') return list
  const entries = new DataView(list.buffer)
  const target = { namespace, firstBlock: getUint64(view, at + SqeOffset.CDW10) }
  const sources = readSources(controller, slot, entries, format)
  if (typeof sources === 'number') return sources
  const blocks = sources.reduce((sum, source) => sum + source.blocks, 0)
  const refused = checkTarget(target, slot.nsid, sources, blocks)
  if (refused !== Status.SUCCESS) return refused
  const flushes = (dword12 & DWORD12_FUA) !== 0 || !controller.features.writeCache
  return new Copy(controller, slot, target, sources, flushes).run()
}

const TOO_LONG = Status.COMMAND_SIZE_LIMIT_EXCEEDED | STATUS_DNR
const NOT_FAST = Status.FAST_COPY_NOT_POSSIBLE | STATUS_DNR

/** Format 2 names namespaces: the host has to have said that it knows of it. */
function formatSupported(controller: Controller, format: number): boolean {
  if (format === SAME_NAMESPACE) return true
  return format === ANY_NAMESPACE && controller.features.copyFormats.has(format)
}

function readSources(
  controller: Controller,
  slot: CommandSlot,
  entries: DataView,
  format: number,
): readonly Source[] | number {
  const sources: Source[] = []
  for (let at = 0; at < entries.byteLength; at += ENTRY_BYTES) {
    const nsid = format === ANY_NAMESPACE ? entries.getUint32(at + ENTRY_NSID, true) : slot.nsid
    const namespace = controller.namespaces.get(nsid)
    const source = namespace === undefined ? noSource(nsid) : sourceOf(entries, at, nsid, namespace)
    const options = format === ANY_NAMESPACE ? entries.getUint16(at + ENTRY_OPTIONS, true) : 0
    const fastOnly = (options & FAST_ONLY) !== 0
    const refused = typeof source !== 'number' && fastOnly ? NOT_FAST : source
    if (typeof refused === 'number') {
      slot.result = at / ENTRY_BYTES
      return refused
    }
    sources.push(refused)
  }
  return sources
}

function noSource(nsid: number): number {
  return nsid > 0 && nsid <= NAMESPACES_MAX ? INVALID_FIELD : INVALID_NAMESPACE
}

function sourceOf(
  entries: DataView,
  at: number,
  nsid: number,
  namespace: Namespace,
): Source | number {
  if ((entries.getUint8(at + ENTRY_EXTENSION) & 0xf) !== 0) return INVALID_FIELD
  const firstBlock = getUint64(entries, at + ENTRY_FIRST)
  const blocks = entries.getUint16(at + ENTRY_BLOCKS, true) + 1
  if (blocks > COPY_LIMITS.rangeBlocks) return TOO_LONG
  const wrong = checkRange(namespace, firstBlock, blocks)
  return wrong === Status.SUCCESS ? { nsid, namespace, firstBlock, blocks } : wrong
}

function checkTarget(
  { namespace, firstBlock }: { readonly namespace: Namespace; readonly firstBlock: number },
  nsid: number,
  sources: readonly Source[],
  blocks: number,
): number {
  if (blocks > COPY_LIMITS.blocks) return TOO_LONG
  const wrong = checkRange(namespace, firstBlock, blocks)
  if (wrong !== Status.SUCCESS) return wrong
  for (const source of sources) {
    if (source.namespace.blockBytes !== namespace.blockBytes) {
      return Status.INCOMPATIBLE_NAMESPACE_OR_FORMAT | STATUS_DNR
    }
    const { firstBlock: from, blocks: length } = source
    const overlaps = from < firstBlock + blocks && firstBlock < from + length
    if (source.nsid === nsid && overlaps) return Status.OVERLAPPING_IO_RANGE | STATUS_DNR
  }
  return Status.SUCCESS
}

class Copy extends LongCommand {
  protected readonly needsScratch = true
  readonly #target: Namespace
  readonly #sources: readonly Source[]
  #index = 0
  /** In the range of the source that is being copied. */
  #doneBytes = 0
  #targetBytes: number
  /** Read, and to be written next. */
  #readBytes = 0
  #flushes: boolean

  constructor(
    controller: Controller,
    slot: CommandSlot,
    target: { readonly namespace: Namespace; readonly firstBlock: number },
    sources: readonly Source[],
    flushes: boolean,
  ) {
    super(controller.io, slot)
    this.#target = target.namespace
    this.#targetBytes = target.firstBlock * target.namespace.blockBytes
    this.#sources = sources
    this.#flushes = flushes
  }

  protected next(): Namespace | number {
    const source = this.#sources[this.#index]
    if (source === undefined) return this.#last()
    if (this.#readBytes > 0) {
      this.transfer(StoreOp.WRITE, this.#targetBytes, this.#readBytes)
      return this.#target
    }
    const { namespace, firstBlock, blocks } = source
    const unreadable = checkReadable(namespace, firstBlock, blocks)
    if (unreadable !== Status.SUCCESS) return unreadable
    const left = blocks * namespace.blockBytes - this.#doneBytes
    this.transfer(
      StoreOp.READ,
      firstBlock * namespace.blockBytes + this.#doneBytes,
      Math.min(SCRATCH_BYTES, left),
    )
    return namespace
  }

  protected pieceDone(): number {
    const { io } = this.slot
    if (io.op === StoreOp.FLUSH) return Status.SUCCESS
    if (io.op === StoreOp.READ) {
      this.#readBytes = io.lengthBytes
      return Status.SUCCESS
    }
    const wrong = rewritten(this.#target, this.#targetBytes, this.#readBytes)
    if (wrong !== Status.SUCCESS) return wrong
    this.#targetBytes += this.#readBytes
    this.#doneBytes += this.#readBytes
    this.#readBytes = 0
    const source = this.#sources[this.#index]
    if (source !== undefined && this.#doneBytes === source.blocks * source.namespace.blockBytes) {
      this.#index++
      this.#doneBytes = 0
      this.slot.result = this.#index
    }
    return Status.SUCCESS
  }

  #last(): Namespace | number {
    this.slot.result = 0
    if (!this.#flushes) return Status.SUCCESS
    this.#flushes = false
    this.sized(StoreOp.FLUSH, 0, 0)
    return this.#target
  }
}
