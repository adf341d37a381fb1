// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What the linter cannot say: the licence header of every source file, no way round the ban on clocks and chance, and no page that names a file that is not there.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { missingPaths, missingPathsOf } from './lib/doc-paths.mjs'
import { docPages, root, sourceFiles } from './lib/workspace.mjs'

const header = '// SPDX-License-Identifier: Apache-2.0\n// Copyright 2026 The iolayers authors\n'

const scheduler = /^packages\/kernel\/src\/(.*\/)?event-loop[^/]*\.ts$/
const library = /^packages\/[^/]+\/src\//

function hasHeader(text) {
  return text.replace(/^#![^\n]*\n/, '').startsWith(header)
}

/** Uses of chance, and of the global object, which would reach any clock by another name. */
function forbiddenUses(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
  const found = []
  const report = (node, what) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart())
    found.push(`${file}:${line + 1}: ${what}`)
  }
  const visit = (node) => {
    const isMath = ts.isIdentifier(node) && node.text === 'Math'
    if (isMath && !isPlainMathCall(node)) report(node, 'Math.random, or Math under another name')
    if (ts.isIdentifier(node) && node.text === 'globalThis') report(node, 'globalThis')
    const keyword = ts.isCallExpression(node) && node.expression.kind
    if (keyword === ts.SyntaxKind.ImportKeyword) report(node, 'import()')
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function isPlainMathCall(node) {
  const { parent } = node
  if (!ts.isPropertyAccessExpression(parent)) return false
  return parent.expression !== node || parent.name.text !== 'random'
}

export function problemsOf(file, text) {
  const problems = hasHeader(text) ? [] : [`${file}: the licence header is missing`]
  if (library.test(file) && !scheduler.test(file)) problems.push(...forbiddenUses(file, text))
  return problems
}

/** The rules must refuse what they are for, or a green run says nothing. */
const canaries = [
  ['packages/x/src/a.ts', 'export const a = 1'],
  ['packages/x/src/a.ts', `${header}export const a = Math.random()`],
  ['packages/x/src/a.ts', `${header}const { random } = Math`],
  ['packages/x/src/a.ts', `${header}export const a = Math['random']()`],
  ['packages/x/src/a.ts', `${header}export const a = globalThis`],
  ['packages/x/src/a.ts', `${header}export const a = await import('x')`],
]
const allowed = [
  ['packages/x/src/a.ts', `${header}export const a = Math.max(1, 2)`],
  [
    'packages/kernel/src/scheduler/event-loop-scheduler.ts',
    `${header}export const a = Math.random()`,
  ],
  ['apps/x/src/cli.ts', `#!/usr/bin/env node\n${header}export const a = Math.random()`],
]

const files = sourceFiles()
const problems = files.flatMap((file) => problemsOf(file, readFileSync(join(root, file), 'utf8')))
for (const [file, text] of canaries)
  if (problemsOf(file, text).length !== 1) problems.push(`the rules let this pass: ${text}`)
for (const [file, text] of allowed)
  if (problemsOf(file, text).length > 0) problems.push(`the rules refuse this: ${text}`)

const pages = docPages()
problems.push(...missingPathsOf(root, pages))
const gone = missingPaths(root, 'in `scripts/{source-rules,no-such-file}.mjs` and `scripts/`')
if (gone.join() !== 'scripts/no-such-file.mjs') problems.push('a page may name what is not there')

for (const problem of problems) console.error(problem)
console.log(`${files.length} source files, ${pages.length} pages, ${canaries.length + 1} canaries`)
process.exitCode = problems.length > 0 ? 1 : 0
