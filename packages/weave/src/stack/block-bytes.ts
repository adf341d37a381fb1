// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** A logical block of every medium here. */
export const BLOCK_BYTES = 512
