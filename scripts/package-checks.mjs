// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Judges what would be published: each package is packed once; publint and attw read the tarball, and the tarball, alone
// in an empty project with the packages it depends on, must run its README example.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packAll } from './lib/pack.mjs'
import { mapPool } from './lib/pool.mjs'
import { run } from './lib/run.mjs'
import { smokeTest } from './lib/smoke.mjs'

async function publint({ name, tarball }) {
  const { code, stdout, stderr } = await run('publint', ['run', tarball, '--strict'])
  return code === 0 ? [] : [`${name}: publint\n${stdout}${stderr}`]
}

async function attw({ name, tarball }) {
  const args = [tarball, '--profile', 'esm-only', '--no-emoji', '--no-color', '--format', 'ascii']
  const { code, stdout, stderr } = await run('attw', args)
  return code === 0 ? [] : [`${name}: attw\n${stdout}${stderr}`]
}

const only = process.argv.slice(2)
const dir = mkdtempSync(join(tmpdir(), 'iolayers-packages-'))
try {
  const packed = await packAll(dir)
  const wanted = packed.filter(({ name }) => only.length === 0 || only.includes(name))
  const judged = await mapPool(wanted, async (pkg) => {
    const problems = [...(await publint(pkg)), ...(await attw(pkg))]
    return [...problems, ...(await smokeTest(pkg, packed, dir))]
  })
  const problems = judged.flat()
  for (const problem of problems) console.error(problem)
  console.log(`${wanted.length} packages packed, judged and tried; ${problems.length} problems`)
  process.exitCode = problems.length > 0 ? 1 : 0
} finally {
  rmSync(dir, { recursive: true, force: true })
}
