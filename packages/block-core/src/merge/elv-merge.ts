// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** How a bio goes with a request, if at all. @see include/linux/elevator.h enum elv_merge */
export const ElvMerge = { NO_MERGE: 0, FRONT_MERGE: 1, BACK_MERGE: 2, DISCARD_MERGE: 3 } as const
export type ElvMerge = (typeof ElvMerge)[keyof typeof ElvMerge]
