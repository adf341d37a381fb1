#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { main } from './cli/main.ts'

// A reader that closes our output early (head, a pager) has seen what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})
process.exitCode = await main(process.argv.slice(2), process)
