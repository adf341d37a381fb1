// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export function rootManifest() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
}

const skipped = new Set(['node_modules', 'dist', 'coverage', '.git', '.turbo'])

function* walk(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name)) yield* walk(path)
    } else if (entry.isFile()) yield path
  }
}

/** Every source file of the repository, relative to its root, with forward slashes. */
export function sourceFiles() {
  return [...walk(root)]
    .filter((path) => /\.(ts|tsx|mts|mjs|js)$/.test(path))
    .map((path) => relative(root, path).split(sep).join('/'))
    .sort()
}

/** Every page of documentation but the histories of changes, relative to the root. */
export function docPages() {
  return [...walk(root)]
    .map((path) => relative(root, path).split(sep).join('/'))
    .filter((path) => path.endsWith('.md') && !/(^|\/)(CHANGELOG\.md|\.changeset\/.*)$/.test(path))
    .sort()
}

/** The workspace's packages and apps: name, folder relative to the root, manifest. */
export function workspacePackages() {
  return ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group))
      .filter((name) => existsSync(join(root, group, name, 'package.json')))
      .map((name) => {
        const dir = join(group, name)
        const manifest = JSON.parse(readFileSync(join(root, dir, 'package.json'), 'utf8'))
        return { name: manifest.name, dir, manifest }
      }),
  )
}
