// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { FolioQueue } from './folio-queue.ts'

/** Where an iterator stood. Filled by `saveState`, given back to `restore`. */
export class IovIterState {
  offsetBytes = 0
  countBytes = 0
  segIndex = 0
  folioq: FolioQueue | null = null
  folioqSlot = 0
}
