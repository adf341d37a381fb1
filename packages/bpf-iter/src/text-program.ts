// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { IterSource } from './iter-source.ts'
import type { IterContext, IterProgram } from './iter-target.ts'

/**
 * The default text program of a source: writes its record for every object, and skips a null one.
 * @see tools/testing/selftests/bpf/progs/dmabuf_iter.c dmabuf_collector
 */
export function createTextProgram<T>(source: IterSource<T>): IterProgram<T> {
  return (context: IterContext<T>): number => {
    if (context.item !== null) context.meta.seq.puts(source.show(context.item))
    return 0
  }
}
