// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { run, toolEnv, turboCommand } from './run.mjs'

const env = toolEnv({ TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' })

/**
 * Builds a package with what it depends on, or replays the cached build. Silent when it succeeds: stdout belongs to the
 * command that runs next.
 */
export async function build(name) {
  const options = [`--filter=${name}...`, '--output-logs=errors-only']
  const [program, ...args] = turboCommand(['run', 'build', ...options])
  const { code, stdout, stderr } = await run(program, args, { env })
  if (code !== 0) process.stderr.write(`${stdout}${stderr}\nthe build failed\n`)
  return code === 0
}
