// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What an iterator walks over.
 * @see include/linux/uio.h enum iter_type
 */
export const IterType = {
  UBUF: 0,
  IOVEC: 1,
  BVEC: 2,
  KVEC: 3,
  FOLIOQ: 4,
  XARRAY: 5,
  DISCARD: 6,
  DMABUF_MAP: 7,
} as const
export type IterType = (typeof IterType)[keyof typeof IterType]

/** The iterator is where data goes to (READ). */
export const ITER_DEST = 0
/** The iterator is where data comes from (WRITE). */
export const ITER_SOURCE = 1
export type IterDirection = typeof ITER_DEST | typeof ITER_SOURCE

/** Upper bound of one read or write. @see include/linux/fs.h MAX_RW_COUNT */
export const MAX_RW_COUNT: number = 0x7fff_f000

/** Most ranges that one user vector may have. @see include/uapi/linux/uio.h UIO_MAXIOV */
export const UIO_MAXIOV = 1024
