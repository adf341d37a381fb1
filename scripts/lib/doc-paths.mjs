// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The pages name files of this repository, from its root and in backticks, `packages/x/src/{a,b}.ts`: they have to be there.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const place = /`((?:packages|apps|docs|scripts|fixtures)\/[^`\s*<]*)`/g

/** Names in the text of a page that are nowhere in the repository. */
export function missingPaths(root, text) {
  return [...text.matchAll(place)]
    .flatMap(([, path]) => spelledOut(path))
    .filter((path) => !existsSync(join(root, path)))
}

/** Missing paths of all `pages`, each with its page. */
export function missingPathsOf(root, pages) {
  return pages.flatMap((page) =>
    missingPaths(root, readFileSync(join(root, page), 'utf8')).map(
      (path) => `${page}: there is no ${path}`,
    ),
  )
}

function spelledOut(path) {
  const braces = /^([^{]*)\{([^{}]*)\}(.*)$/.exec(path)
  if (braces === null) return [path]
  const [, before, choices, after] = braces
  return choices.split(',').flatMap((choice) => spelledOut(before + choice + after))
}
