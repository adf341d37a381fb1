// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'

/** @see include/linux/blkdev.h for these and their reasons */
export const BLK_SAFE_MAX_SECTORS = 255
export const BLK_DEF_MAX_SECTORS_CAP = 8192
export const BLK_MAX_SEGMENTS = 128
export const BLK_MAX_SEGMENT_SIZE = 65_536
export const BLK_MIN_SEGMENT_SIZE = 4096
export const BLK_SEG_BOUNDARY_MASK = 0xffff_ffff
export const BLK_MAX_BLOCK_SIZE = 65_536
export const UINT_MAX = 0xffff_ffff
export const USHRT_MAX = 0xffff

export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && Number.isInteger(Math.log2(value))
}

export function roundDown(value: number, step: number): number {
  return value - (value % step)
}

/** 0 for 0. */
export function rounddownPowOfTwo(value: number): number {
  return value < 1 ? 0 : 2 ** Math.floor(Math.log2(value))
}

export function minNotZero(a: number, b: number): number {
  if (a === 0) return b
  return b === 0 ? a : Math.min(a, b)
}

export function gcd(a: number, b: number): number {
  let x = a
  let y = b
  while (y > 0) {
    const rest = x % y
    x = y
    y = rest
  }
  return x
}

export function lcmNotZero(a: number, b: number): number {
  return a === 0 || b === 0 ? a + b : (a / gcd(a, b)) * b
}

/** Throws KernelError EINVAL, naming value and bound. */
export function requireLimit(
  condition: boolean,
  name: string,
  value: number,
  accepted: string,
): void {
  if (condition) return
  throw new KernelError('EINVAL', `queue limits: ${name} is ${value}, but must be ${accepted}`)
}

export function requireMask(name: string, mask: number, least: number, most: number): void {
  const fits = isPowerOfTwo(mask + 1) && mask >= least && mask <= most
  requireLimit(fits, name, mask, `one less than a power of two, from ${least} to ${most}`)
}

export function requireCount(name: string, value: number, least: number, most: number): void {
  const fits = Number.isSafeInteger(value) && value >= least && value <= most
  requireLimit(fits, name, value, `an integer from ${least} to ${most}`)
}

export function requirePowerOfTwo(name: string, value: number, least: number, most: number): void {
  const fits = isPowerOfTwo(value) && value >= least && value <= most
  requireLimit(fits, name, value, `a power of two from ${least} to ${most}`)
}
