// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { type BpfIter, createBpfIter, type RegisteredTarget } from './bpf-iter.ts'
export type { FormatArg } from './format/format-arg.ts'
export { formatKernel } from './format/format-kernel.ts'
export type { IterLink, IterLinkInfo } from './iter-link.ts'
export { ITER_BUFFER_BYTES, MAX_ITER_OBJECTS } from './iter-session.ts'
export type { IterSource } from './iter-source.ts'
export {
  type IterContext,
  IterFeature,
  type IterMeta,
  type IterProgram,
  type IterSeqInfo,
  type IterSeqOperations,
  type IterTarget,
  type RunProgram,
  type TargetLinkInfo,
} from './iter-target.ts'
export { createOpenCodedIter, type OpenCodedIter } from './open-coded.ts'
export type { SeqFile } from './seq/seq-file.ts'
export {
  SEQ_SKIP,
  SEQ_START_TOKEN,
  type SeqFileOperations,
  type SeqOperations,
} from './seq/seq-operations.ts'
export {
  createSeqReader,
  createSingleReader,
  SEQ_BUFFER_BYTES_MAX,
  SeekWhence,
  type SeqReader,
  type SeqReaderInit,
  type SingleReaderInit,
} from './seq/seq-reader.ts'
export { MAX_BPRINTF_BIN_ARGS, MAX_BPRINTF_VARARGS, seqPrintf, seqWrite } from './seq-printf.ts'
export { createSourceIterTarget, type SourceIterPrivate } from './source-target.ts'
export { createTextProgram } from './text-program.ts'
