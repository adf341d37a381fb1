// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SingleBar } from 'cli-progress'
import { type CommandIo, formatBytes } from './output.ts'

/** Shows how far long work has come: a bar on a terminal, nothing anywhere else. */
export interface Progress {
  /** Begins a bar for `totalBytes`; ends the one before. */
  start(label: string, totalBytes: number): void
  /** Does nothing when no bar is shown. */
  update(doneBytes: number): void
  /** Clears the bar. Idempotent. */
  stop(): void
}

const SILENT: Progress = { start() {}, update() {}, stop() {} }

/** A bar on stderr if that is a terminal and nobody asked for quiet. */
export function createProgress(io: CommandIo, init: { readonly quiet: boolean }): Progress {
  if (init.quiet || io.stderr.isTTY !== true) return SILENT
  const bar = new SingleBar({
    stream: io.stderr,
    format: '{label} [{bar}] {percentage}% {done} of {size} ETA {eta_formatted}',
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
    fps: 10,
  })
  let total = 0
  let shown = false
  function stop(): void {
    if (shown) bar.stop()
    shown = false
  }
  return {
    start(label: string, totalBytes: number): void {
      stop()
      total = totalBytes
      shown = true
      const size = formatBytes(totalBytes)
      bar.start(Math.max(totalBytes, 1), 0, { label, done: formatBytes(0), size })
    },
    update(doneBytes: number): void {
      if (shown) bar.update(Math.min(doneBytes, total), { done: formatBytes(doneBytes) })
    },
    stop,
  }
}
