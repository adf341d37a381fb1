// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// `pnpm test:large`: the copies of apps/demo/test/large with files of a GiB, or of `--size`. They lie in a folder in `--dir`, by default
// the system's for temporary files, which is gone afterwards, after Ctrl-C too.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { callerDir } from './lib/run.mjs'
import { root } from './lib/workspace.mjs'

const UNITS = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 }
const MIN_BYTES = UNITS.M
const MAX_BYTES = 64 * UNITS.G
/** The source, the namespaces of the stripes, and the target; the second copy has two files, and the first's are still there. */
const FILES_BYTES_FACTOR = 5

function fail(message, exitCode) {
  process.stderr.write(`test:large: ${message}\n`)
  process.exit(exitCode)
}

function parseSize(text) {
  const match = /^(\d+)([KMG]?)(?:iB)?$/i.exec(text)
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * (UNITS[match[2].toUpperCase()] ?? 1)
  if (bytes >= MIN_BYTES && bytes <= MAX_BYTES && bytes % 512 === 0) return bytes
  return fail(`--size is ${text}, but must be a multiple of 512 from 1M to 64G`, 2)
}

function readOptions() {
  const options = { size: { type: 'string', default: '1G' }, dir: { type: 'string' } }
  const args = process.argv.slice(2).filter((arg) => arg !== '--')
  try {
    return parseArgs({ args, options }).values
  } catch (error) {
    return fail(`${error.message}\nusage: test:large [--size 1G] [--dir FOLDER]`, 2)
  }
}

function checkRoom(parent, sizeBytes) {
  if (!existsSync(parent)) fail(`--dir ${parent} is not there`, 2)
  const { bavail, bsize } = statfsSync(parent)
  const free = bavail * bsize
  const needed = FILES_BYTES_FACTOR * sizeBytes
  if (free >= needed) return
  const inMiB = (bytes) => `${Math.ceil(bytes / UNITS.M)} MiB`
  fail(
    `${parent} has ${inMiB(free)} free, ${inMiB(needed)} are needed; use --dir for another folder, or --size for less`,
    1,
  )
}

const given = readOptions()
const sizeBytes = parseSize(given.size)
const parent = given.dir === undefined ? tmpdir() : resolve(callerDir(), given.dir)
checkRoom(parent, sizeBytes)
const dir = mkdtempSync(join(parent, 'iolayers-large-'))
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const child = spawn(
  process.execPath,
  [vitest, 'run', 'test/large', '--disableConsoleIntercept=true'],
  {
    cwd: join(root, 'apps/demo'),
    env: { ...process.env, IOLAYERS_LARGE_DIR: dir, IOLAYERS_LARGE_SIZE: String(sizeBytes) },
    stdio: ['ignore', 'inherit', 'inherit'],
  },
)
let interrupted = 0
for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.on(signal, () => {
    interrupted = exitCode
    child.kill('SIGTERM')
    // Whoever is in the middle of a long call does not hear it.
    setTimeout(() => child.kill('SIGKILL'), 2000).unref()
  })
}
child.on('error', (error) => {
  rmSync(dir, { recursive: true, force: true })
  fail(error.message, 1)
})
child.on('close', (code) => {
  rmSync(dir, { recursive: true, force: true })
  if (interrupted > 0) process.stderr.write('\ntest:large: interrupted; its files are removed\n')
  process.exitCode = interrupted > 0 ? interrupted : (code ?? 1)
})
