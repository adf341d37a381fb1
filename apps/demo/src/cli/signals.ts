// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SignalledError } from './failure.ts'
import type { CommandIo } from './output.ts'

/** Remembers the first SIGINT or SIGTERM, so that work can end at a place where nothing is half done. */
export interface SignalWatch {
  /** The error to end with; null while no signal has come. */
  readonly pending: () => SignalledError | null
  /** Called at once for the first signal, in the signal's own turn of the event loop. */
  onSignal(listener: () => void): void
  close(): void
}

/** A second signal means that waiting takes too long: `abandon` then takes back what can be taken back at once. */
export function watchSignals(io: CommandIo, abandon: () => void): SignalWatch {
  let pending: SignalledError | null = null
  const listeners: (() => void)[] = []
  const handle = (signal: 'SIGINT' | 'SIGTERM'): void => {
    if (pending !== null) {
      abandon()
      process.exit(pending.exitCode)
    }
    pending = new SignalledError(signal)
    if (io.stderr.isTTY === true)
      io.stderr.write('\nstopping after the I/O in flight; again to stop at once\n')
    for (const listener of listeners) listener()
  }
  const onInterrupt = (): void => handle('SIGINT')
  const onTerminate = (): void => handle('SIGTERM')
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onTerminate)
  return {
    pending: () => pending,
    onSignal: (listener) => {
      listeners.push(listener)
    },
    close(): void {
      process.off('SIGINT', onInterrupt)
      process.off('SIGTERM', onTerminate)
    },
  }
}
