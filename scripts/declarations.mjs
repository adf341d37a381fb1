// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The last half of a package's build, run in its folder: dist/**/*.d.ts from src/**/*.ts. Every export carries its type
// (isolatedDeclarations), so each file is translated alone, without a type check and without the other packages: about a
// third of the time of tsup's bundled declarations (dma-buf, Node 20: 1.4 s against 4.5). `pnpm typecheck` is what checks.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'

const compilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  isolatedDeclarations: true,
  declaration: true,
  declarationMap: true,
  strict: true,
  exactOptionalPropertyTypes: true,
}

/** What `rewriteRelativeImportExtensions` does, which the translation of a single file leaves out. */
function toJsSpecifiers(context) {
  const visit = (node) =>
    ts.isStringLiteral(node) && /^\.{1,2}\/.*\.ts$/.test(node.text)
      ? context.factory.createStringLiteral(node.text.replace(/\.ts$/, '.js'), true)
      : ts.visitEachChild(node, visit, context)
  return (source) => ts.visitEachChild(source, visit, context)
}

function emit(file) {
  const target = join('dist', relative('src', file)).replace(/\.ts$/, '.d.ts')
  const text = readFileSync(file, 'utf8')
  const { outputText, sourceMapText, diagnostics } = ts.transpileDeclaration(text, {
    fileName: file,
    compilerOptions,
    reportDiagnostics: true,
    transformers: { afterDeclarations: [toJsSpecifiers] },
  })
  const source = relative(dirname(target), file).replaceAll('\\', '/')
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, outputText)
  writeFileSync(
    `${target}.map`,
    JSON.stringify({ ...JSON.parse(sourceMapText), sources: [source] }),
  )
  return diagnostics.map((d) => `${file}: ${ts.flattenDiagnosticMessageText(d.messageText, '\n')}`)
}

const files = readdirSync('src', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name))
const problems = files.flatMap(emit)
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
