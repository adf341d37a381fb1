// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/spec/index.ts',
    'src/host/index.ts',
    'src/controller/index.ts',
    'src/file/index.ts',
    'src/faults/index.ts',
    'src/tcp/index.ts',
    'src/store-compliance/index.ts',
    'src/parts.ts',
  ],
  format: ['esm'],
  sourcemap: true,
  clean: true,
  target: 'node20',
  treeshake: true,
})
