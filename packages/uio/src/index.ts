// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { BioVec, Iovec, Kvec } from './bio-vec.ts'
export { copyFromIter, copyToIter, zeroIter } from './copy.ts'
export type { DmabufMap } from './dmabuf-map.ts'
export { extractBvecs } from './extract.ts'
export {
  IovIter,
  IovIterState,
  ITER_DEST,
  ITER_SOURCE,
  type IterDirection,
  IterType,
  MAX_RW_COUNT,
} from './iov-iter.ts'
export type { IterFile } from './iter-file.ts'
export { IocbFlags, iocbFlags, Kiocb, type KiocbCompletion } from './kiocb.ts'
