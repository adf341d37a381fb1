// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What a bio or request does: the low eight bits of its operation word.
 * @see include/linux/blk_types.h enum req_op
 */
export const ReqOp = {
  READ: 0,
  WRITE: 1,
  FLUSH: 2,
  DISCARD: 3,
  SECURE_ERASE: 5,
  ZONE_APPEND: 7,
  WRITE_ZEROES: 9,
  DRV_IN: 34,
  DRV_OUT: 35,
} as const
export type ReqOp = (typeof ReqOp)[keyof typeof ReqOp]

export const REQ_OP_MASK = 0xff

/**
 * How it does it: the bits above the operation. DMABUF says that the payload is a dmabuf map.
 * @see include/linux/blk_types.h enum req_flag_bits
 */
export const ReqFlags = {
  SYNC: 0x800,
  META: 0x1000,
  PRIO: 0x2000,
  NOMERGE: 0x4000,
  IDLE: 0x8000,
  FUA: 0x2_0000,
  PREFLUSH: 0x4_0000,
  RAHEAD: 0x8_0000,
  BACKGROUND: 0x10_0000,
  NOWAIT: 0x20_0000,
  POLLED: 0x40_0000,
  ATOMIC: 0x800_0000,
  NOUNMAP: 0x1000_0000,
  DMABUF: 0x2000_0000,
} as const

/** The operation of an operation word. @see include/linux/blk_types.h bio_op, req_op */
export function reqOp(opf: number): number {
  return opf & REQ_OP_MASK
}

/** Data goes to the device: odd operations. @see include/linux/blk_types.h op_is_write */
export function opIsWrite(opf: number): boolean {
  return (opf & 1) !== 0
}

/** Asks for a flush before or for the data to be durable. @see include/linux/blk_types.h op_is_flush */
export function opIsFlush(opf: number): boolean {
  return (opf & (ReqFlags.FUA | ReqFlags.PREFLUSH)) !== 0
}

export const SECTOR_SHIFT = 9
export const SECTOR_SIZE = 512
