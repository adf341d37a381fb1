// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Runs the benchmarks on the built packages: what is timed is what is published.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from './lib/build.mjs'
import { callerDir } from './lib/run.mjs'
import { root } from './lib/workspace.mjs'

if (await build('@iolayers/bench')) {
  const cli = join(root, 'apps/bench/dist/cli.js')
  process.argv[1] = cli
  process.argv = process.argv.filter((arg, i) => !(i === 2 && arg === '--'))
  process.chdir(callerDir())
  await import(pathToFileURL(cli).href)
} else process.exitCode = 1
