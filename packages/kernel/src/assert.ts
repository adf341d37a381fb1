// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** A programmer's error: an invariant that the code relies on does not hold. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure'
}

/**
 * Throws `AssertionFailure` when `cond` is falsy. Left on in production. `text` is a constant:
 * nothing is formatted while the condition holds.
 *
 * @see include/asm-generic/bug.h BUG_ON
 */
export function assert(cond: unknown, text: string): asserts cond {
  if (!cond) throw new AssertionFailure(text)
}
