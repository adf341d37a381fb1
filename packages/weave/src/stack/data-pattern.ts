// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** The byte that the medium holds at first, at any place; never 0, and never the poison of memory. */
export function mediumByte(offsetBytes: number): number {
  return 1 + ((offsetBytes * 7 + (offsetBytes >>> 9) * 31) % 150)
}

/** The byte that buffers hold at first: the complement, so that none looks transferred that was not. */
export function bufferByte(offsetBytes: number): number {
  return 0xff ^ mediumByte(offsetBytes)
}
