// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Runs the command `iolayers` of this clone, built first where it is stale. The command is loaded into this process, not
// spawned, so that signals, exit codes and standard streams are its own.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from './lib/build.mjs'
import { callerDir } from './lib/run.mjs'
import { root } from './lib/workspace.mjs'

if (await build('iolayers')) {
  const cli = join(root, 'apps/demo/dist/cli.js')
  process.argv[1] = cli
  process.chdir(callerDir())
  await import(pathToFileURL(cli).href)
} else process.exitCode = 1
