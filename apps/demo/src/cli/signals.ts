// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { printFailure, SignalledError } from './failure.ts'
import type { CommandIo } from './output.ts'

/** Remembers the first SIGINT or SIGTERM, so that work can end at a place where nothing is half done. */
export interface SignalWatch {
  /** The error to end with; null while no signal has come. */
  readonly pending: () => SignalledError | null
  /** The signals do again what they do by themselves. */
  close(): void
}

/** What to do at the first signal and at one that comes while that is still going on. */
export interface SignalHandlers {
  /** The first signal, in its own turn of the event loop. */
  onFirst(error: SignalledError): void
  /** A second one means that waiting takes too long: takes back at once what can be. The process ends right after. */
  onSecond(error: SignalledError): void
}

/** Takes SIGINT and SIGTERM over until `close`. */
export function watchSignals(handlers: SignalHandlers): SignalWatch {
  let pending: SignalledError | null = null
  const handle = (signal: 'SIGINT' | 'SIGTERM'): void => {
    if (pending !== null) {
      handlers.onSecond(pending)
      process.exit(pending.exitCode)
    }
    pending = new SignalledError(signal)
    handlers.onFirst(pending)
  }
  const onInterrupt = (): void => handle('SIGINT')
  const onTerminate = (): void => handle('SIGTERM')
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onTerminate)
  return {
    pending: () => pending,
    close(): void {
      process.off('SIGINT', onInterrupt)
      process.off('SIGTERM', onTerminate)
    },
  }
}

/** For commands that leave nothing behind: the first signal ends the process, with the usual words. */
export function endOnSignal(io: CommandIo, json: boolean): SignalWatch {
  const end = (error: SignalledError): void => {
    const { message, exitCode } = error
    printFailure(io, json, { code: 'EINTR', message, exitCode })
    process.exit(exitCode)
  }
  return watchSignals({ onFirst: end, onSecond: end })
}
