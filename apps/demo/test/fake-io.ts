// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Writable } from 'node:stream'
import type { CommandIo } from '../src/cli/output.ts'

export interface FakeIo extends CommandIo {
  readonly out: () => string
  readonly err: () => string
}

/** Streams that remember what was written to them. */
export function fakeIo(init: { tty?: boolean; env?: Record<string, string> } = {}): FakeIo {
  const stdout = remember(init.tty ?? false)
  const stderr = remember(init.tty ?? false)
  return {
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: init.env ?? {},
    out: stdout.text,
    err: stderr.text,
  }
}

function remember(isTTY: boolean): {
  stream: Writable & { isTTY: boolean; columns: number }
  text: () => string
} {
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer | string, _encoding, done): void {
      text += String(chunk)
      done()
    },
  })
  return { stream: Object.assign(stream, { isTTY, columns: 100 }), text: () => text }
}
