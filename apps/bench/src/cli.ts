// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { main } from './main.ts'

process.exitCode = await main(process.argv.slice(2), process)
