// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a copy does with its two disks once they are there: proves what an earlier copy left, moves the rest, and reads it back.

import type { IoUring } from '@iolayers/io-uring'
import { Errno, errnoName, KernelError, type Op } from '@iolayers/kernel'
import { errorText } from '../cli/failure.ts'
import type { CopyParts } from './copy-through.ts'
import { BufferDigest } from './digest.ts'
import { type CopyJournal, EXTENT_BYTES } from './journal.ts'
import { proveKept } from './prove-kept.ts'
import type { RegisteredSlots } from './registered-slots.ts'
import type { CopyResult } from './report.ts'
import { type TransferEnd, type TransferInit, transfer } from './transfer.ts'

/** What the moving itself tells. */
export type Proof = Omit<CopyResult, 'layers' | 'seconds'>

/** The disks, as a transfer sees them. */
export interface MoveEnds {
  /** The larger of their logical blocks. */
  readonly blockBytes: number
  readonly from: TransferEnd
  readonly to: TransferEnd
}

type Range = Pick<TransferInit, 'from' | 'to' | 'startBytes' | 'sizeBytes' | 'onBlock'>

/** For one copy; the ring, the slots and the ends stay the caller's. */
export class MoveAndProve {
  readonly #parts: CopyParts
  readonly #ring: IoUring
  readonly #slots: RegisteredSlots
  readonly #ends: MoveEnds
  #resubmitted: number

  constructor(parts: CopyParts, ring: IoUring, slots: RegisteredSlots, ends: MoveEnds) {
    this.#parts = parts
    this.#ring = ring
    this.#slots = slots
    this.#ends = ends
    this.#resubmitted = 0
  }

  *run(): Op<Proof> {
    const { source, target, options, progress, onWriting, onResume } = this.#parts
    const { journal } = target
    const { sizeBytes } = source
    // Of what is there and proven: both ends have the same bytes.
    const proven = journal === null ? new BufferDigest() : yield* this.#proveKept(journal)
    const startBytes = Math.min(sizeBytes, (journal?.digests.length ?? 0) * EXTENT_BYTES)
    if (startBytes > 0) onResume(startBytes)
    const sourceDigest = options.verify === 'none' ? null : proven.copy()
    progress.start('copying', sizeBytes)
    onWriting(false)
    if (journal === null) yield* this.#copy(startBytes, sizeBytes, [sourceDigest])
    else yield* this.#copyNoted(journal, startBytes, sourceDigest)
    if (options.flush) yield* this.#flush()
    onWriting(true)
    progress.stop()
    const sha256 = {
      source: sourceDigest?.finish() ?? null,
      target: options.verify === 'full' ? yield* this.#readBack(startBytes, proven) : null,
    }
    if (sha256.target !== null && sha256.source !== sha256.target) {
      const text = `the digests differ: source ${sha256.source}, target ${sha256.target}`
      throw new KernelError('EIO', text)
    }
    const resubmitted = this.#resubmitted
    return { bytes: sizeBytes, resumedBytes: startBytes, sha256, resubmitted }
  }

  /** The journal tells of nothing afterwards but what holds. */
  *#proveKept(journal: CopyJournal): Op<BufferDigest> {
    const { source, options, progress } = this.#parts
    if (journal.digests.length === 0) return new BufferDigest()
    progress.start('proving', source.sizeBytes)
    let proven = yield* this.#prove(this.#ends.to, journal.digests)
    // Nobody knows whether a namespace was written since. A file has a time, which the journal knows.
    if (source.kind === 'remote' && options.verify !== 'none') {
      proven = yield* this.#prove(this.#ends.from, journal.digests.slice(0, proven.extents))
    }
    progress.stop()
    journal.cut(proven.extents)
    return proven.digest
  }

  #prove(from: TransferEnd, noted: readonly string[]): ReturnType<typeof proveKept> {
    const read = (
      startBytes: number,
      endBytes: number,
      onBlock: NonNullable<Range['onBlock']>,
    ): Op<void> => this.#move({ from, startBytes, sizeBytes: endBytes, onBlock })
    const update = (digest: BufferDigest, slot: number, lengthBytes: number): Op<void> =>
      this.#update(digest, slot, lengthBytes)
    return proveKept(read, update, noted, this.#parts.source.sizeBytes)
  }

  /** Extent by extent; each is on the medium before the journal tells of it. */
  *#copyNoted(journal: CopyJournal, startBytes: number, whole: BufferDigest | null): Op<void> {
    const { sizeBytes } = this.#parts.source
    for (let at = startBytes; at < sizeBytes; at += EXTENT_BYTES) {
      const extent = new BufferDigest()
      yield* this.#copy(at, Math.min(sizeBytes, at + EXTENT_BYTES), [whole, extent])
      yield* this.#flush()
      journal.append(extent.finish())
    }
  }

  *#copy(
    startBytes: number,
    endBytes: number,
    digests: readonly (BufferDigest | null)[],
  ): Op<void> {
    const { from, to } = this.#ends
    const wanted = digests.filter((digest) => digest !== null)
    const onBlock = this.#update.bind(this)
    yield* this.#move({
      from,
      to,
      startBytes,
      sizeBytes: endBytes,
      *onBlock(slot, lengthBytes) {
        for (const digest of wanted) yield* onBlock(digest, slot, lengthBytes)
      },
    })
  }

  *#readBack(startBytes: number, digest: BufferDigest): Op<string> {
    const { source, progress } = this.#parts
    progress.start('verifying', source.sizeBytes)
    yield* this.#move({
      from: this.#ends.to,
      startBytes,
      sizeBytes: source.sizeBytes,
      onBlock: (slot, lengthBytes) => this.#update(digest, slot, lengthBytes),
    })
    progress.stop()
    return digest.finish()
  }

  *#move(range: Range): Op<void> {
    const { options, cancelled, progress } = this.#parts
    const moved = yield* transfer(this.#ring, this.#slots.slots, {
      ...range,
      blockSizeBytes: options.blockSizeBytes,
      logicalBlockBytes: this.#ends.blockBytes,
      resubmitMax: options.resubmitMax,
      cancelled,
      onProgress: (doneBytes) => progress.update(doneBytes),
    })
    this.#resubmitted += moved.resubmitted
  }

  #update(digest: BufferDigest, slot: number, lengthBytes: number): Op<void> {
    const { buffer, offsetBytes } = this.#slots.memoryOf(slot)
    return digest.update(buffer, offsetBytes, lengthBytes)
  }

  /** What was written is on the medium before anyone is told so: a Flush command, which a file store turns into fdatasync. */
  *#flush(): Op<void> {
    const ring = this.#ring
    const { to } = this.#ends
    const sqe = ring.getSqe()
    ring.prepFsync(sqe, to.fileIndex, 0, 0)
    yield* ring.submitAndWait(1)
    const results = new Int32Array(1)
    ring.reap(new Float64Array(1), results, 1)
    const result = results[0] ?? -Errno.EIO
    if (result === 0) return
    const code = errnoName(result) ?? 'EIO'
    const where = `flushing ${to.name}`
    throw to.explain(where) ?? new KernelError(code, `${where}: ${errorText(code)}`)
  }
}
