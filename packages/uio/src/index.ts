// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { BioVec, Iovec, Kvec } from './bio-vec.ts'
export { copyFromIter, copyFromIterFull, copyToIter, copyToIterFull, zeroIter } from './copy.ts'
export {
  copyFolioFromIter,
  copyFolioToIter,
  copyPageFromIter,
  copyPageToIter,
} from './copy-page.ts'
export type { DmabufMap } from './dmabuf-map.ts'
export { dupIter } from './dup-iter.ts'
export { extractBvecs } from './extract.ts'
export {
  iovIterExtractPages,
  iovIterExtractWillPin,
  iovIterGetPages,
  PageList,
} from './extract-pages.ts'
export { faultInIovIterReadable, faultInIovIterWriteable } from './fault-in.ts'
export { FOLIOQ_SLOTS, type Folio, FolioQueue, folioSizeBytes } from './folio-queue.ts'
export { FolioXarray } from './folio-xarray.ts'
export { importIovec, importUbuf } from './import.ts'
export { IovIter } from './iov-iter.ts'
export type { IterFile } from './iter-file.ts'
export { type IterMemory, UserMemory, UserProt, userBackedIter } from './iter-memory.ts'
export { IovIterState } from './iter-state.ts'
export {
  ITER_DEST,
  ITER_SOURCE,
  type IterDirection,
  IterType,
  MAX_RW_COUNT,
  UIO_MAXIOV,
} from './iter-type.ts'
export {
  IocbFlags,
  iocbFlags,
  Kiocb,
  type KiocbCompletion,
  kiocbSetRwFlags,
  RwfFlags,
} from './kiocb.ts'
export { vfsIterRead, vfsIterWrite } from './vfs-iter.ts'
