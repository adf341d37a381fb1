// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { Weave } from '../run/weave.ts'
import { BioUser } from '../stack/bio-user.ts'
import type { MigratingExporter, MigratingExporterInit } from '../stack/migrating-exporter.ts'
import type { Stack, StackInit } from '../stack/stack.ts'

export interface OneBuffer {
  readonly stack: Stack
  readonly exporter: MigratingExporter
  readonly user: BioUser
}

/** One buffer of one page, registered once, and nothing mapped yet. */
export function* oneBuffer(
  weave: Weave,
  stackInit: Omit<StackInit, 'policy'> = {},
  exporterInit: Partial<MigratingExporterInit> = {},
): Op<OneBuffer> {
  const stack = weave.stack(stackInit)
  const exporter = stack.exporter({ pages: 1, ...exporterInit })
  const user = yield* BioUser.register(stack, exporter)
  return { stack, exporter, user }
}
