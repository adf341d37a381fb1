// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { join } from 'node:path'
import { mapPool } from './pool.mjs'
import { pnpmCommand, run } from './run.mjs'
import { root, workspacePackages } from './workspace.mjs'

/** Packs every publishable package, as `pnpm publish` would, and gives each with the path of its tarball. */
export async function packAll(destination) {
  const published = workspacePackages().filter(({ manifest }) => manifest.private !== true)
  return mapPool(published, async (pkg) => {
    const file = `${pkg.name.replace('@', '').replace('/', '-')}-${pkg.manifest.version}.tgz`
    const [program, ...args] = pnpmCommand(['pack', '--pack-destination', destination])
    const { code, stdout, stderr } = await run(program, args, { cwd: join(root, pkg.dir) })
    if (code !== 0) throw new Error(`pnpm pack failed in ${pkg.dir}:\n${stdout}${stderr}`)
    return { ...pkg, tarball: join(destination, file) }
  })
}

/** The package with all workspace packages that it depends on, directly or not. */
export function closure(packed, name, found = new Map()) {
  const pkg = packed.find((candidate) => candidate.name === name)
  if (pkg === undefined || found.has(name)) return found
  found.set(name, pkg)
  for (const dependency of Object.keys(pkg.manifest.dependencies ?? {}))
    closure(packed, dependency, found)
  return found
}
