// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { BioVec, Iovec, Kvec } from './bio-vec.ts'
export { copyFromIter, copyToIter, zeroIter } from './copy.ts'
export type { DmabufMap } from './dmabuf-map.ts'
export { extractBvecs } from './extract.ts'
export { FOLIOQ_SLOTS, type Folio, FolioQueue, folioSizeBytes } from './folio-queue.ts'
export { FolioXarray } from './folio-xarray.ts'
export { IovIter } from './iov-iter.ts'
export type { IterFile } from './iter-file.ts'
export { IovIterState } from './iter-state.ts'
export {
  ITER_DEST,
  ITER_SOURCE,
  type IterDirection,
  IterType,
  MAX_RW_COUNT,
  UIO_MAXIOV,
} from './iter-type.ts'
export { IocbFlags, iocbFlags, Kiocb, type KiocbCompletion } from './kiocb.ts'
