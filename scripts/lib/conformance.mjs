// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The tables under docs/conformance: the last two columns of a row name a test file and a test in it, as `suite > title`. A row whose file is `n/a` says in its
// last column why there is no test. Everything else must be a test that ran and passed.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const HEAD = ['file', 'test']

/** What is wrong with the tables, and how many rows were looked at. `testResults` is that of vitest's JSON reporter. */
export function checkConformance(root, testResults) {
  const dir = join(root, 'docs/conformance')
  const passed = passedTests(root, testResults)
  const rows = readdirSync(dir)
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) => tableRows(name, readFileSync(join(dir, name), 'utf8')))
  const problems = rows.flatMap(({ place, cells }) => {
    const problem = judge(passed, cells.at(-2), cells.at(-1))
    return problem === null ? [] : [`${place}: ${problem}`]
  })
  if (rows.length === 0) problems.push('no table of docs/conformance has a row')
  return { rows: rows.length, problems }
}

function judge(passed, file, title) {
  if (title === '') return 'neither a test nor a reason for having none'
  if (file === 'n/a') return null
  const titles = passed.get(file)
  if (titles === undefined) return `no tests ran in ${file}`
  return titles.has(title) ? null : `no passed test "${title}" in ${file}`
}

function passedTests(root, testResults) {
  const passed = new Map()
  for (const { name, assertionResults } of testResults) {
    const titles = assertionResults
      .filter(({ status }) => status === 'passed')
      .map(({ ancestorTitles, title }) => [...ancestorTitles, title].join(' > '))
    passed.set(relative(root, name), new Set(titles))
  }
  return passed
}

/** Rows of those tables whose head ends with the columns `file` and `test`. */
function tableRows(name, text) {
  const rows = []
  let inside = false
  text.split('\n').forEach((source, index) => {
    if (!source.startsWith('|')) {
      inside = false
      return
    }
    // A bar inside a cell is written `\|`.
    const cells = source
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(plain)
    if (!inside) inside = cells.slice(-2).join() === HEAD.join()
    else if (!cells.every((cell) => /^:?-+:?$/.test(cell)))
      rows.push({ place: `${name}:${index + 1}`, cells })
  })
  return rows
}

function plain(cell) {
  return cell
    .trim()
    .replaceAll('\\|', '|')
    .replace(/^`(.*)`$/, '$1')
}
