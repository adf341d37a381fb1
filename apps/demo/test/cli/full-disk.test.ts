// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { mkdirSync, readdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { runCli } from './run-cli.ts'

const dir = useTempDir()

it('a file that may not grow any more is an error with the sizes, and no target', async () => {
  // In blocks of 512 or 1024 bytes, as the shell likes: 2 or 4 MiB.
  const through = ['sh', '-c', 'ulimit -f 4096; exec "$@"', 'sh']
  const { code, stdout } = await runCli(['copy', 'mem:16M', dir('d'), '--json'], { through })
  expect(code).toBe(1)
  const { error } = JSON.parse(stdout)
  expect(error.code).toBe('EFBIG')
  expect(error.message).toMatch(/^writing .*\/d at offset \d+ of 16777216 bytes: file too large$/)
  expect(readdirSync(dir.path)).toEqual([])
})

const NO_MOUNTS = 77

it('a full disk is ENOSPC with the sizes, and no target', async () => {
  mkdirSync(dir('disk'))
  // A small file system in a mount name space of its own, which goes with the process.
  const script = `
    mount -t tmpfs -o size=4m none "$0" 2>/dev/null || exit ${NO_MOUNTS}
    "$@"; status=$?
    ls -A "$0" >&2
    exit $status`
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const through = ['unshare', ...user, '--mount', 'sh', '-c', script, dir('disk')]
  const { code, stdout, stderr } = await runCli(['copy', 'mem:16M', dir('disk/d'), '--json'], {
    through,
  })
  if (code === NO_MOUNTS || stderr.startsWith('unshare:')) {
    // A sandbox without mounts: the test above has shown how a write that the disk refuses ends.
    return
  }
  expect(code).toBe(1)
  const { error } = JSON.parse(stdout)
  expect(error.code).toBe('ENOSPC')
  expect(error.message).toMatch(
    /^writing .*\/disk\/d at offset \d+ of 16777216 bytes: no space left on device$/,
  )
  expect(stderr).toBe(`iolayers: ${error.message}\n`)
})
