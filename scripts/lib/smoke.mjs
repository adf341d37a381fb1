// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { closure } from './pack.mjs'
import { run } from './run.mjs'
import { root } from './workspace.mjs'

const examplePattern = /<!-- example: expect "([^"]*)" -->\s*```ts\n([\s\S]*?)```/g

/** A test file, as a user of vitest would write it. */
const testPattern = /<!-- example: test -->\s*```ts\n([\s\S]*?)```/g

/** Installs the package alone in an empty project and runs what its README promises. Gives the problems found. */
export async function smokeTest(pkg, packed, parent) {
  const dir = join(parent, pkg.dir.replaceAll(/[^a-z-]/g, '_'))
  mkdirSync(dir)
  const installed = await install(pkg, packed, dir)
  if (installed.length > 0) return installed
  const readme = readFileSync(join(dir, 'node_modules', pkg.name, 'README.md'), 'utf8')
  const examples = [...readme.matchAll(examplePattern)]
  const bins = Object.keys(pkg.manifest.bin ?? {})
  if (examples.length + bins.length === 0) return [`${pkg.name}: README.md has no example to run`]
  const problems = []
  for (const [i, [, expected, code]] of examples.entries()) {
    const file = join(dir, `example-${i}.ts`)
    writeFileSync(file, code)
    problems.push(...typeProblems(file), ...(await runExample(file, code, expected, dir)))
  }
  for (const [i, [, code]] of [...readme.matchAll(testPattern)].entries()) {
    const file = join(dir, `example-${i}.test.ts`)
    writeFileSync(file, code)
    const vitest = join(dir, 'node_modules/vitest')
    if (!existsSync(vitest)) symlinkSync(join(root, 'node_modules/vitest'), vitest)
    problems.push(...typeProblems(file), ...(await runTest(file, dir)))
  }
  for (const bin of bins) problems.push(...(await runBin(bin, pkg.manifest.version, dir)))
  return problems.map((problem) => `${pkg.name}: ${problem}`)
}

async function install(pkg, packed, dir) {
  const manifest = { name: 'empty-project', private: true, type: 'module' }
  writeFileSync(join(dir, 'package.json'), JSON.stringify(manifest))
  const packages = [...closure(packed, pkg.name).values()]
  const names = new Set(packages.map(({ name }) => name))
  const thirdParty = packages.some(({ manifest: { dependencies = {} } }) =>
    Object.keys(dependencies).some((name) => !names.has(name)),
  )
  const quiet = ['--no-audit', '--no-fund', '--no-progress', '--ignore-scripts', '--loglevel=error']
  const network = thirdParty ? '--prefer-offline' : '--offline'
  const tarballs = packages.map(({ tarball }) => tarball)
  const { code, stdout, stderr } = await run('npm', ['install', ...quiet, network, ...tarballs], {
    cwd: dir,
    env: npmEnv(),
  })
  return code === 0 ? [] : [`${pkg.name}: npm install\n${stdout}${stderr}`]
}

/** npm without the settings that pnpm hands down to the scripts that it runs. */
function npmEnv() {
  const kept = ([name]) =>
    !/^(npm|pnpm)_/i.test(name) || /^npm_config_(registry|cache)$/i.test(name)
  return Object.fromEntries(Object.entries(process.env).filter(kept))
}

const exampleOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  erasableSyntaxOnly: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
}

const host = ts.createCompilerHost(exampleOptions)
const readSource = host.getSourceFile
const shared = new Map()

/** The library and Node's types are parsed once for all examples. */
host.getSourceFile = (file, ...rest) => {
  if (!file.startsWith(root)) return readSource(file, ...rest)
  if (!shared.has(file)) shared.set(file, readSource(file, ...rest))
  return shared.get(file)
}

/** Checks the example, and every packed declaration file that it reaches: without the source, as a user's compiler would. */
function typeProblems(file) {
  const program = ts.createProgram([file], exampleOptions, host)
  const ours = program.getSourceFiles().filter(({ fileName }) => !fileName.startsWith(root))
  const diagnostics = ours.flatMap((source) => [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source),
  ])
  if (diagnostics.length === 0) return []
  return [`the example does not type-check\n${ts.formatDiagnostics(diagnostics, host)}`]
}

async function runExample(file, code, expected, dir) {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
    },
  })
  const script = file.replace(/\.ts$/, '.mjs')
  writeFileSync(script, outputText)
  const result = await run(process.execPath, [script], { cwd: dir })
  if (result.code === 0 && result.stdout.includes(expected)) return []
  const said = `${result.stdout}${result.stderr}`
  return [`the example should print "${expected}" and exit 0; exit ${result.code}:\n${said}`]
}

async function runTest(file, dir) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const result = await run(process.execPath, [vitest, 'run', '--root', dir, file], { cwd: dir })
  if (result.code === 0 && /(?<!\d)1 passed/.test(result.stdout)) return []
  return [`the test in README.md should pass:\n${result.stdout}${result.stderr}`]
}

async function runBin(bin, version, dir) {
  const result = await run(join(dir, 'node_modules/.bin', bin), ['--version'], { cwd: dir })
  if (result.code === 0 && result.stdout.includes(version)) return []
  return [`${bin} --version should print ${version}; exit ${result.code}:\n${result.stderr}`]
}
