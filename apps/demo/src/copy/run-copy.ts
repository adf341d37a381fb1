// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One copy from the first look at SRC to the rename of DST: what is opened is closed and what is begun is taken back, on every way
// out. The moving itself is transfer.ts; the stack that it moves through is built in ../stack.

import type { InvalidationPolicyName } from '@iolayers/blk-mq-token'
import type { LinkEvent } from '@iolayers/nvme/tcp'
import { IncompleteError, KeptError, keptWords, printFailure } from '../cli/failure.ts'
import type { CommandIo } from '../cli/output.ts'
import { createProgress, type ProgressForm } from '../cli/progress.ts'
import { watchSignals } from '../cli/signals.ts'
import { createObserver, type Observer } from '../observe/observer.ts'
import type { FabricOptions } from '../remote/fabric-options.ts'
import type { IommuMode } from '../stack/stack.ts'
import { copyThrough } from './copy-through.ts'
import { openSource, openTarget, type TargetEnd } from './ends.ts'
import type { Location } from './location.ts'
import { remoteSource, remoteTarget } from './remote-ends.ts'
import type { CopyResult } from './report.ts'

/** A copy as the command line asks for it; every value is within its bounds. */
export interface CopyOptions {
  readonly source: Location
  readonly target: Location
  readonly blockSizeBytes: number
  readonly queueDepth: number
  readonly buffers: number
  readonly iommu: IommuMode
  readonly coherent: boolean
  /** Null: the exporter leaves its buffers where they are. */
  readonly evictEvery: number | null
  /** How a move of a buffer ends its DMA. */
  readonly policy: InvalidationPolicyName
  readonly resubmitMax: number
  readonly verify: 'full' | 'source' | 'none'
  /** The path of a Unix socket at which the iterators of the stack can be read meanwhile. */
  readonly observe: string | null
  /** The target is flushed at the end. */
  readonly flush: boolean
  /** How ends over NVMe/TCP are connected to. */
  readonly fabric: FabricOptions
  /** What is written is kept on failure, and continued where there is some. */
  readonly resume: boolean
  readonly progress: ProgressForm
  readonly json: boolean
  readonly quiet: boolean
}

/** Errors: KernelError and the file system's own, for what went wrong; SignalledError after SIGINT or SIGTERM. */
export async function runCopy(options: CopyOptions, io: CommandIo): Promise<CopyResult> {
  const source =
    options.source.kind === 'remote'
      ? await remoteSource(options.source, options.fabric)
      : openSource(options.source)
  const progress = createProgress(io, { quiet: options.quiet, form: options.progress })
  let target: TargetEnd | undefined
  let observer: Observer | undefined
  /** In place, something is written, and not all of it is. */
  let isIncomplete = false
  const signals = watchSignals({
    onFirst: () => {
      progress.stop()
      if (io.stderr.isTTY === true)
        io.stderr.write('\nstopping after the I/O in flight; again to stop at once\n')
    },
    onSecond: ({ message, exitCode }) => {
      target?.discard()
      observer?.close()
      const kept =
        target !== undefined && target.journal !== null ? `; ${keptWords(target.name)}` : ''
      const failure = { code: 'EINTR', message: `${message}${kept}`, exitCode }
      printFailure(io, options.json, { ...failure, incomplete: isIncomplete })
    },
  })
  try {
    if (options.observe !== null) observer = await createObserver(options.observe)
    target =
      options.target.kind === 'remote'
        ? await remoteTarget(options.target, source, options.fabric)
        : openTarget(options.target, source, options)
    const result = await copyThrough({
      source,
      target,
      options,
      progress,
      observer: observer ?? null,
      cancelled: signals.pending,
      onResume: (keptBytes) => tellResume(io, options, keptBytes),
      onLink: (event) => tellLink(io, options, event),
      onWriting: (isAll) => {
        isIncomplete = target?.kind === 'remote' && !isAll
      },
    })
    const late = signals.pending()
    if (late !== null) throw late
    target.commit()
    return result
  } catch (error) {
    if (target === undefined) throw error
    if (isIncomplete) throw new IncompleteError(target.name, error)
    throw target.journal === null ? error : new KeptError(target.name, error)
  } finally {
    progress.stop()
    target?.discard()
    observer?.close()
    signals.close()
  }
}

/** Whoever asked for it learns how much of the copy was there. */
function tellResume(io: CommandIo, { quiet }: CopyOptions, keptBytes: number): void {
  if (!quiet) io.stderr.write(`iolayers: continuing after ${keptBytes} bytes, which are proven\n`)
}

/** A lost connection is no failure, as long as it may come back. */
function tellLink(io: CommandIo, { quiet }: CopyOptions, event: LinkEvent): void {
  if (quiet) return
  if (event.kind === 'lost') io.stderr.write(`iolayers: ${event.error.message}; connecting again\n`)
  else if (event.kind === 'reconnected') io.stderr.write('iolayers: connected again\n')
}
