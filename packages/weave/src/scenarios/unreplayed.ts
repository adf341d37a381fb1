// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** A hazard without a scenario: it cannot exist here, or is about the contents of data or the arguments of one call. */
export interface Unreplayed {
  readonly id: string
  readonly why: string
  /** Where the product shows it: a test file, and a test of it. */
  readonly shownBy: { readonly file: string; readonly test: string }
}

export const unreplayed: readonly Unreplayed[] = []
