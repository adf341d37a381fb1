// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    cli: 'src/cli.ts',
    'weave-worker': 'src/weave/weave-worker.ts',
  },
  format: ['esm'],
  sourcemap: true,
  clean: true,
  target: 'node20',
  treeshake: true,
})
