// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['@iolayers/source'] },
  ssr: { resolve: { conditions: ['@iolayers/source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    // A bound on a hang, not on speed: machines under load are slow.
    testTimeout: 60_000,
    passWithNoTests: true,
  },
})
