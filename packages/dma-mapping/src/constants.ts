// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** log2 of the page size. @see arch/x86/include/asm/page_types.h */
export const PAGE_SHIFT = 12
/** Bytes in a page. */
export const PAGE_SIZE = 4096
/** The largest block of the page allocator is `PAGE_SIZE << MAX_PAGE_ORDER` bytes. @see include/linux/mmzone.h */
export const MAX_PAGE_ORDER = 10
/** Frames in the largest block of the page allocator. */
export const MAX_ORDER_NR_PAGES = 1024
/**
 * Device memory lies at and above this address, and RAM and IOVAs below it, so that the bus address of a peer is never
 * taken for an IOVA. It is 2^42 and not higher so that the frame number of any address of RAM or device memory is below
 * 2^31: V8 keeps such a number unboxed.
 */
export const PEER_BASE = 4_398_046_511_104
/** The address at which the physical address space ends. */
export const PHYS_END = 8_796_093_022_208
/** Physical address of the first byte of RAM: nothing real has the address 0, and large blocks are aligned. */
export const RAM_BASE = 0x40_0000
