// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { type BpfIter, createBpfIter, type IterLink, type RegisteredTarget } from './bpf-iter.ts'
export { ITER_BUFFER_BYTES, MAX_ITER_OBJECTS } from './iter-session.ts'
export type { IterSource } from './iter-source.ts'
export type {
  IterContext,
  IterMeta,
  IterProgram,
  IterSeqInfo,
  IterTarget,
  SeqOperations,
} from './iter-target.ts'
export { createOpenCodedIter, type OpenCodedIter } from './open-coded.ts'
export type { SeqFile } from './seq-file.ts'
export { createSourceIterTarget, type SourceIterPrivate } from './source-target.ts'
export { createTextProgram } from './text-program.ts'
