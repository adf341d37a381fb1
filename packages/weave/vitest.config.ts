// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['@iolayers/source'] },
  ssr: { resolve: { conditions: ['@iolayers/source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    passWithNoTests: true,
    testTimeout: 60_000,
  },
})
