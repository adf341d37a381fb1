// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const ROUNDS = 4

/** Bytes of live objects and array buffers; collects garbage first. Good to some KiB. */
export async function liveBytes(): Promise<number> {
  const collect: unknown = garbageCollector()
  if (typeof collect !== 'function') throw new Error('the engine does not let garbage be collected')
  for (let round = 0; round < ROUNDS; round++) {
    collect()
    // Array buffers are given back in a turn of their own.
    await setImmediate()
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function garbageCollector(): unknown {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
}
