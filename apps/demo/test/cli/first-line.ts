// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { RunningCli } from './run-cli.ts'

/** Of its stdout. Rejects with what it wrote to stderr, where it ends before. */
export async function firstLine({ child, ended }: RunningCli): Promise<string> {
  const line = new Promise<string>((resolve) => {
    let seen = ''
    child.stdout?.on('data', (text: string) => {
      seen += text
      const end = seen.indexOf('\n')
      if (end >= 0) resolve(seen.slice(0, end))
    })
  })
  const early = ended.then(({ stderr }) => {
    throw new Error(`it ended: ${stderr}`)
  })
  return await Promise.race([line, early])
}
