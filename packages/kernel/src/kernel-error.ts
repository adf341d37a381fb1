// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type ErrnoName } from './errno.ts'

/** What else a `KernelError` can say. */
export interface KernelErrorInit {
  /** The value that was refused. */
  readonly value?: unknown
  /** What would have been accepted, in words. */
  readonly accepted?: string
  /** What the caller could do about it. */
  readonly hint?: string
  readonly cause?: unknown
}

/**
 * A failure of a control path. The message names the value and the bound; hot paths return
 * numbers instead.
 */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  readonly code: ErrnoName
  /** Negative, as a kernel function returns it. */
  readonly errno: number
  readonly value: unknown
  readonly accepted: string | undefined
  readonly hint: string | undefined

  constructor(code: ErrnoName, message: string, init: KernelErrorInit = {}) {
    super(describe(message, init), init.cause === undefined ? undefined : { cause: init.cause })
    this.code = code
    this.errno = -Errno[code]
    this.value = init.value
    this.accepted = init.accepted
    this.hint = init.hint
  }
}

function describe(message: string, init: KernelErrorInit): string {
  let text = message
  if (init.value !== undefined) text += `: got ${String(init.value)}`
  if (init.accepted !== undefined) text += `, accepted ${init.accepted}`
  if (init.hint !== undefined) text += `. ${init.hint}`
  return text
}
