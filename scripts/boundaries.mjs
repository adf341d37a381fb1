// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Holds the floors (.dependency-cruiser.mjs), and holds the check itself: every source file on disk must have been seen,
// and each forbidden import in fixtures/boundary must be refused by the rule that is meant for it.
import { join } from 'node:path'
import { run } from './lib/run.mjs'
import { root, sourceFiles } from './lib/workspace.mjs'

const expected = {
  'packages/kernel/src/upward.ts': 'upward-from-floor-0',
  'packages/uio/src/sideways.ts': 'sideways-on-floor-2-from-uio',
  'packages/uio/src/deep.ts': 'deep-import',
  'packages/uio/src/deep-by-name.ts': 'deep-import',
  'packages/uio/src/relative.ts': 'relative-import-of-a-package',
  'packages/uio/src/third-party.ts': 'third-party-in-library',
  'packages/kernel/src/builtin.ts': 'node-only-where-allowed',
  'packages/kernel/src/cycle-a.ts': 'circular',
  'packages/kernel/src/app.ts': 'package-imports-app',
  'packages/kernel/src/tested.ts': 'src-imports-test',
  'packages/kernel/src/missing.ts': 'unresolvable',
  'apps/demo/src/other-app.ts': 'app-imports-app',
  'packages/uio/src/allowed.ts': null,
}

async function cruise(cwd, paths) {
  const bin = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const config = join(root, '.dependency-cruiser.mjs')
  const args = [bin, ...paths, '--config', config, '--output-type', 'json']
  const { stdout, stderr } = await run(process.execPath, args, { cwd })
  if (!stdout.startsWith('{')) throw new Error(`dependency-cruiser failed:\n${stderr}${stdout}`)
  const { modules, summary } = JSON.parse(stdout)
  return { modules, violations: summary.violations }
}

async function checkSources(problems) {
  const { modules, violations } = await cruise(root, ['packages', 'apps'])
  for (const { rule, from, to } of violations) problems.push(`${rule.name}: ${from} → ${to}`)
  const seen = new Set(modules.map((module) => module.source))
  const files = sourceFiles().filter((file) => /^(packages|apps)\//.test(file))
  const unseen = files.filter((file) => !seen.has(file))
  if (unseen.length > 0) problems.push(`not seen by dependency-cruiser: ${unseen.join(', ')}`)
  return `${files.length} source files, ${modules.length} modules seen`
}

async function checkFixture(problems) {
  const { violations } = await cruise(join(root, 'fixtures/boundary'), ['packages', 'apps'])
  for (const [file, rule] of Object.entries(expected)) {
    const names = violations.filter((v) => v.from === file).map((v) => v.rule.name)
    const right = rule === null ? names.length === 0 : names.includes(rule)
    if (!right)
      problems.push(`fixture ${file}: expected ${rule}, got ${names.join(', ') || 'nothing'}`)
  }
  return `${Object.keys(expected).length} fixture files judged`
}

const problems = []
const counts = await Promise.all([checkSources(problems), checkFixture(problems)])
for (const problem of problems) console.error(problem)
console.log(counts.join('; '))
process.exitCode = problems.length > 0 ? 1 : 0
