// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The first thing a newcomer runs: builds, then copies a real file through every layer. Without arguments the source is
// the Node binary itself, which every machine has, and the target is removed afterwards.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from './lib/build.mjs'
import { callerDir } from './lib/run.mjs'
import { root } from './lib/workspace.mjs'

function copy(args) {
  const cli = join(root, 'apps/demo/dist/cli.js')
  const child = spawn(process.execPath, [cli, 'copy', ...args], {
    cwd: callerDir(),
    stdio: 'inherit',
  })
  // Ctrl-C reaches the whole process group by itself; this process waits for the copy to clean up.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)))
  })
}

async function copyNodeBinary(options) {
  const dir = mkdtempSync(join(tmpdir(), 'iolayers-demo-'))
  try {
    return await copy([process.execPath, join(dir, 'copy-of-node'), ...options])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const given = process.argv.slice(2)
const args = given[0] === '--' ? given.slice(1) : given
process.stderr.write('building the packages …\n')
if (await build('iolayers')) {
  const onlyOptions = args.length === 0 || args[0].startsWith('-')
  process.exitCode = onlyOptions ? await copyNodeBinary(args) : await copy(args)
} else process.exitCode = 1
