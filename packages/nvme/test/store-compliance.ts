// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { type StoreSetup, storeCases } from '../src/store-compliance/index.ts'

/** `make` gives a store of STORE_BYTES bytes, all zero. */
export function storeCompliance(name: string, make: () => StoreSetup | Promise<StoreSetup>): void {
  describe(`${name}: what every store does`, () => {
    it.each(storeCases.map((one) => [one.name, one] as const))('%s', (_name, one) => one.run(make))
  })
}
