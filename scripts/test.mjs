// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// `pnpm test`: every check there is, a failing one does not stop those after it. `--fast` runs the tests alone, with the
// Node that runs this script. The last line is `N passed, N failed`: the tests one by one, any other check as one.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkConformance } from './lib/conformance.mjs'
import { mapPool } from './lib/pool.mjs'
import { run, toolEnv, turboCommand } from './lib/run.mjs'
import { root } from './lib/workspace.mjs'

const turbo = (task) => turboCommand(['run', task, '--continue', '--output-logs=errors-only'])
const script = (name) => [process.execPath, join(root, 'scripts', name)]

const build = { title: 'build', command: turbo('build') }
const checks = [
  { title: 'types', command: turbo('typecheck') },
  { title: 'packages: publint, attw, README examples', command: script('package-checks.mjs') },
  { title: 'lint and format', command: ['biome', 'check', '--error-on-warnings', '.'] },
  { title: 'licence headers, clocks and chance', command: script('source-rules.mjs') },
  { title: 'boundaries', command: script('boundaries.mjs') },
  { title: 'unused files, exports and dependencies', command: ['knip'] },
  { title: 'manifests agree', command: ['sherif'] },
]

const env = toolEnv({ TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' })

function heading(title, startedAt, verdict) {
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)
  return `\n=== ${title}: ${verdict} (${seconds} s)\n`
}

async function check({ title, command: [program, ...args] }) {
  const startedAt = Date.now()
  const { code, stdout, stderr } = await run(program, args, { env })
  const passed = code === 0
  process.stdout.write(heading(title, startedAt, passed ? 'passed' : 'FAILED'))
  process.stdout.write(passed ? lastLines(stdout, 3) : `${stdout}${stderr}`)
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1 }
}

function lastLines(text, count) {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines
    .slice(-count)
    .map((line) => `${line}\n`)
    .join('')
}

async function tests() {
  const startedAt = Date.now()
  const dir = mkdtempSync(join(tmpdir(), 'iolayers-tests-'))
  const file = join(dir, 'result.json')
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${file}`]
  // Nothing here has module-level state, so test files may share the modules of a worker: a third less time.
  const args = [vitest, 'run', '--no-isolate', ...reporters]
  try {
    const { code } = await run(process.execPath, args, { echo: true })
    const counts = countTests(file, code)
    if (counts.testResults !== undefined) results.push(conformance(counts.testResults))
    const verdict = counts.failed === 0 ? 'passed' : 'FAILED'
    process.stdout.write(heading(`tests on Node ${process.version}`, startedAt, verdict))
    return counts
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Every row of the conformance tables names a test that has just passed. */
function conformance(testResults) {
  const startedAt = Date.now()
  const { rows, problems } = checkConformance(root, testResults)
  const verdict = problems.length === 0 ? 'passed' : 'FAILED'
  process.stdout.write(heading('conformance tables', startedAt, verdict))
  process.stdout.write(problems.map((problem) => `${problem}\n`).join(''))
  process.stdout.write(`${rows} rows\n`)
  return { passed: problems.length === 0 ? 1 : 0, failed: problems.length === 0 ? 0 : 1 }
}

/** A file that does not load has no tests to count, so its failure counts as one; so does any failure of vitest itself. */
function countTests(file, code) {
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(file, 'utf8'))
    const broken = testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && !assertionResults.some((result) => result.status === 'failed'),
    )
    const failed = numFailedTests + broken.length
    return { passed: numPassedTests, failed: code !== 0 && failed === 0 ? 1 : failed, testResults }
  } catch (error) {
    process.stdout.write(`vitest gave no result: ${error.message}\n`)
    return { passed: 0, failed: 1 }
  }
}

const startedAt = Date.now()
const results = []
const fast = process.argv.includes('--fast')
if (!fast) {
  results.push(await check(build))
  results.push(...(await mapPool(checks, check)))
}
results.push(await tests())

const sum = (key) => results.reduce((total, result) => total + result[key], 0)
const failed = sum('failed')
process.stdout.write(`\n${((Date.now() - startedAt) / 1000).toFixed(0)} s in all\n`)
process.stdout.write(`${sum('passed')} passed, ${failed} failed\n`)
process.exitCode = failed > 0 ? 1 : 0
