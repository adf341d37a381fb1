// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** What kind of rule was broken: of an object's life, of its reference count, or any other. */
export type AssertionKind = 'assertion' | 'use-after-free' | 'double-free' | 'refcount'

/** A programmer's error: an invariant that the code relies on does not hold. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure'
  readonly check: AssertionKind

  constructor(text: string, check: AssertionKind = 'assertion') {
    super(text)
    this.check = check
  }
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

/** As `assert`: an object that is used has not been freed. */
export function assertLive(cond: unknown, text: string): asserts cond {
  if (!cond) throw new AssertionFailure(text, 'use-after-free')
}

/** As `assert`: what is freed, or given up for good, is so only once. */
export function assertOnce(cond: unknown, text: string): asserts cond {
  if (!cond) throw new AssertionFailure(text, 'double-free')
}

/** As `assert`: a reference is dropped by who holds one, and taken where one is held. @see lib/refcount.c refcount_warn_saturate */
export function assertRef(cond: unknown, text: string): asserts cond {
  if (!cond) throw new AssertionFailure(text, 'refcount')
}
