// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The command as it is published: the test run builds first. */
export const CLI: string = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

export interface CliResult {
  /** Null after death by a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCli {
  readonly child: ChildProcess
  readonly ended: Promise<CliResult>
  /** What it has said so far. */
  stderr(): string
}

export interface CliInit {
  readonly cwd?: string
  readonly env?: Record<string, string>
  /** The command that runs Node, in front of its path: `[program, ...arguments]`. */
  readonly through?: readonly string[]
  readonly nodeOptions?: readonly string[]
}

/** Starts `iolayers ARGS` in a process of its own, without a terminal. */
export function startCli(args: readonly string[], init: CliInit = {}): RunningCli {
  const line = [
    ...(init.through ?? []),
    process.execPath,
    ...(init.nodeOptions ?? []),
    CLI,
    ...args,
  ]
  const [program = '', ...rest] = line
  const child = spawn(program, rest, {
    cwd: init.cwd,
    env: { ...process.env, NODE_OPTIONS: '', ...init.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
  return { child, ended, stderr: () => stderr }
}

export function runCli(args: readonly string[], init: CliInit = {}): Promise<CliResult> {
  return startCli(args, init).ended
}

/** Polls until the check is true; for the progress of another process, which tells nobody. */
export async function until(what: string, check: () => boolean): Promise<void> {
  for (let waited = 0; !check(); waited += POLL_MS) {
    if (waited > PATIENCE_MS) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

const POLL_MS = 5
const PATIENCE_MS = 40_000
