// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SingleBar } from 'cli-progress'
import { Option } from 'commander'
import { type CommandIo, formatBytes } from './output.ts'
import { parseChoice } from './values.ts'

const FORMS = ['bar', 'json', 'none'] as const

/** How it is shown: a bar where stderr is a terminal, lines of JSON on stderr wherever it goes, or not at all. */
export type ProgressForm = (typeof FORMS)[number]

/** `--progress`, of which `parseProgressForm` reads the value. */
export function progressOption(): Option {
  const text = 'how progress is shown on stderr: bar (on a terminal), json or none'
  return new Option('--progress <FORM>', text).default('bar')
}

/** Throws UsageError for a form that there is not. */
export function parseProgressForm(text: string): ProgressForm {
  return parseChoice(text, '--progress', FORMS)
}

/** Shows how far long work has come. */
export interface Progress {
  /** Begins a bar for `totalBytes`; ends the one before. */
  start(label: string, totalBytes: number): void
  /** Does nothing when no bar is shown. */
  update(doneBytes: number): void
  /** Clears the bar. Idempotent. */
  stop(): void
}

const SILENT: Progress = { start() {}, update() {}, stop() {} }

/** What nobody wants to see is not shown in any form. */
export interface ProgressInit {
  readonly quiet: boolean
  readonly form: ProgressForm
}

/** On stderr, in the form that was asked for. */
export function createProgress(io: CommandIo, { quiet, form }: ProgressInit): Progress {
  if (quiet || form === 'none') return SILENT
  if (form === 'json') return lines(io)
  return io.stderr.isTTY === true ? bar(io) : SILENT
}

/** An object a line, for programs: where a phase begins and ends, and each hundredth in between. */
function lines(io: CommandIo): Progress {
  let phase = ''
  let totalBytes = 0
  let toldBytes = 0
  const tell = (doneBytes: number): void => {
    toldBytes = doneBytes
    io.stderr.write(`${JSON.stringify({ progress: { phase, doneBytes, totalBytes } })}\n`)
  }
  return {
    start(label, bytes) {
      phase = label
      totalBytes = bytes
      tell(0)
    },
    update(bytes) {
      const doneBytes = Math.min(bytes, totalBytes)
      const isDue = doneBytes === totalBytes || doneBytes - toldBytes >= totalBytes / 100
      if (isDue && doneBytes > toldBytes) tell(doneBytes)
    },
    stop() {},
  }
}

function bar(io: CommandIo): Progress {
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
