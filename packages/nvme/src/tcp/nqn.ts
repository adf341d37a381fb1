// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { NQN_BYTES_MAX } from '../spec/index.ts'

/** The name, or KernelError EINVAL for what can be none. @see NVMe Base 2.1, 4.7 */
export function checkedNqn(what: string, value: string): string {
  const bytes = new TextEncoder().encode(value).length
  if (value.startsWith('nqn.') && bytes <= NQN_BYTES_MAX) return value
  const accepted = `nqn. first, at most ${NQN_BYTES_MAX} bytes`
  throw new KernelError('EINVAL', what, { value, accepted })
}
