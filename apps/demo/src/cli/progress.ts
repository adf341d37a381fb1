// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SingleBar } from 'cli-progress'
import { type CommandIo, formatBytes } from './output.ts'

/** Shows how far long work has come: a bar on a terminal, nothing anywhere else. */
export interface Progress {
  start(label: string, totalBytes: number): void
  update(doneBytes: number): void
  stop(): void
}

const SILENT: Progress = { start() {}, update() {}, stop() {} }

export function createProgress(io: CommandIo, init: { readonly quiet: boolean }): Progress {
  if (init.quiet || io.stderr.isTTY !== true) return SILENT
  const bar = new SingleBar({
    stream: io.stderr,
    format: '{label} [{bar}] {percentage}% {done} of {size} ETA {eta_formatted}',
    hideCursor: true,
    clearOnComplete: true,
    fps: 10,
  })
  let total = 0
  return {
    start(label: string, totalBytes: number): void {
      total = totalBytes
      bar.start(Math.max(totalBytes, 1), 0, {
        label,
        done: formatBytes(0),
        size: formatBytes(totalBytes),
      })
    },
    update(doneBytes: number): void {
      bar.update(Math.min(doneBytes, total), { done: formatBytes(doneBytes) })
    },
    stop(): void {
      bar.stop()
    },
  }
}
