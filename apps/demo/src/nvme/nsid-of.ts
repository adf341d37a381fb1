// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk } from '@iolayers/block-core'

/** From its name, nvme<instance>n<nsid>. */
export function nsidOf({ name }: Disk): number {
  return Number(/n(\d+)$/.exec(name)?.[1] ?? 0)
}
