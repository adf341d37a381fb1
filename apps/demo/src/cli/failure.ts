// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getSystemErrorMap } from 'node:util'
import { Errno, KernelError } from '@iolayers/kernel'
import { type CommandIo, writeJson } from './output.ts'

/** What the process ends with, as shells and scripts expect it. */
export const ExitCode = {
  DONE: 0,
  FAILED: 1,
  USAGE: 2,
  INTERRUPTED: 130,
  TERMINATED: 143,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** The command line itself is wrong: an unknown option, a bad value, a missing argument. Code EUSAGE, exit 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A command that looks for something has found it, or not found what must be there: no error, and exit 1 all the same. Code EFOUND. */
export class FoundError extends Error {
  override readonly name = 'FoundError'
}

/** A device, or what is given to it, does not do what was asked. Code EREFUSED, exit 1. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
}

/** What went wrong in a command for which exit 1 is an answer. Exit 2, as with cmp and grep. */
export class TroubleError extends Error {
  override readonly name = 'TroubleError'

  constructor(cause: unknown) {
    super('trouble', { cause })
  }
}

/** Something was written in place, and not all of it: what is there is neither the old nor the new. */
export class IncompleteError extends Error {
  override readonly name = 'IncompleteError'

  constructor(name: string, cause: unknown) {
    super(`${name} is left incomplete`, { cause })
  }
}

/** What was written is kept, for a copy that goes on with it. */
export class KeptError extends Error {
  override readonly name = 'KeptError'

  constructor(name: string, cause: unknown) {
    super(keptWords(name), { cause })
  }
}

/** How a copy that may be continued tells so. */
export function keptWords(name: string): string {
  return `${name}.partial and ${name}.journal are kept, --resume continues from them`
}

/** A signal asked the command to stop; what it had begun has been taken back, unless it says otherwise. */
export class SignalledError extends Error {
  override readonly name = 'SignalledError'
  readonly exitCode: ExitCode

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(signal === 'SIGINT' ? 'interrupted' : 'terminated')
    this.exitCode = signal === 'SIGINT' ? ExitCode.INTERRUPTED : ExitCode.TERMINATED
  }
}

/** A failure as it is told to the user: a code, one line, and what the process ends with. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly exitCode: ExitCode
  /** Something is left incomplete. */
  readonly incomplete?: boolean
}

/** How the engine refuses a WebAssembly memory or an array. */
const NO_MEMORY = /could not allocate memory|allocation failed/i

/** Finds the words for an error; undefined for a fault of our own, whose stack its finder needs. */
export function describeFailure(error: unknown): Failure | undefined {
  const isAbout =
    error instanceof TroubleError || error instanceof IncompleteError || error instanceof KeptError
  if (!isAbout) return describeCause(error)
  const why = describeFailure(error.cause)
  if (why === undefined) return undefined
  if (error instanceof TroubleError) {
    return { ...why, exitCode: why.exitCode === 1 ? ExitCode.USAGE : why.exitCode }
  }
  const message = `${why.message}; ${error.message}`
  return { ...why, message, ...(error instanceof IncompleteError && { incomplete: true }) }
}

function describeCause(error: unknown): Failure | undefined {
  if (error instanceof UsageError) {
    return { code: 'EUSAGE', message: error.message, exitCode: ExitCode.USAGE }
  }
  if (error instanceof FoundError) {
    return { code: 'EFOUND', message: error.message, exitCode: ExitCode.FAILED }
  }
  if (error instanceof RefusedError) {
    return { code: 'EREFUSED', message: error.message, exitCode: ExitCode.FAILED }
  }
  if (error instanceof SignalledError) {
    return { code: 'EINTR', message: error.message, exitCode: error.exitCode }
  }
  if (error instanceof KernelError || isSystemError(error)) {
    return { code: error.code, message: error.message, exitCode: ExitCode.FAILED }
  }
  if (error instanceof RangeError && NO_MEMORY.test(error.message)) {
    const message = `the system has not enough memory: ${error.message}`
    return { code: 'ENOMEM', message, exitCode: ExitCode.FAILED }
  }
  return undefined
}

/** One line on stderr; with `json`, also the one document on stdout that a script reads. */
export function printFailure(io: CommandIo, json: boolean, failure: Failure): void {
  const { code, message, incomplete } = failure
  if (json) writeJson(io, { error: { code, message }, ...(incomplete && { complete: false }) })
  if (message === '') return
  io.stderr.write(`iolayers: ${message}\n`)
}

/** An error of `node:fs` and the like: it has a code and a call that failed. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    'syscall' in error
  )
}

/** What the system calls an error: `no space left on device`. Codes that it does not know stay as they are. */
export function errorText(code: string): string {
  const numbers: Readonly<Record<string, number>> = Errno
  const known = numbers[code]
  return known === undefined ? code : (getSystemErrorMap().get(-known)?.[1] ?? code)
}
