// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The floors of ARCHITECTURE.md as rules: a package imports only from floors below its own, and only through a public
// entry. fixtures/boundary holds one forbidden import for each rule; scripts/boundaries.mjs proves that it is refused.
import { readdirSync, readFileSync } from 'node:fs'

const floors = [
  ['kernel'],
  ['dma-mapping', 'bpf-iter'],
  ['dma-buf', 'uio'],
  ['block-core'],
  ['blk-mq-token'],
  ['nvme', 'io-uring'],
  ['weave'],
]

const packagesDir = new URL('packages/', import.meta.url)

/** A package, whether it was resolved to its folder or is only named (an undeclared dependency does not resolve). */
const anyOf = (names) => `^(packages/(${names.join('|')})/|@iolayers/(${names.join('|')})(/|$))`

const upward = floors.slice(0, -1).map((floor, i) => ({
  name: `upward-from-floor-${i}`,
  comment: 'A package may not import from a floor above its own.',
  severity: 'error',
  from: { path: `^packages/(${floor.join('|')})/` },
  to: { path: anyOf(floors.slice(i + 1).flat()) },
}))

const sideways = floors.flatMap((floor, i) =>
  floor
    .filter(() => floor.length > 1)
    .map((name) => ({
      name: `sideways-on-floor-${i}-from-${name}`,
      comment: 'A package may not import from its own floor (its tests may).',
      severity: 'error',
      from: { path: `^packages/${name}/src/` },
      to: { path: anyOf(floor.filter((other) => other !== name)) },
    })),
)

/** The source file of every entry in every package's `exports`. */
const publicEntries = readdirSync(packagesDir).flatMap((name) => {
  const manifest = JSON.parse(readFileSync(new URL(`${name}/package.json`, packagesDir), 'utf8'))
  return Object.values(manifest.exports)
    .map((entry) => entry['@iolayers/source'])
    .filter((source) => source !== undefined)
    .map((source) => `^packages/${name}/${source.slice(2).replaceAll('.', '\\.')}$`)
})

const placed = new Set(floors.flat())
const unplaced = readdirSync(packagesDir).filter((name) => !placed.has(name))
if (unplaced.length > 0) throw new Error(`packages without a floor: ${unplaced.join(', ')}`)

export default {
  forbidden: [
    ...upward,
    ...sideways,
    {
      name: 'package-imports-app',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(apps/|iolayers(/|$)|@iolayers/bench(/|$))' },
    },
    {
      name: 'app-imports-app',
      comment:
        'The bench stands a floor above the other apps: it times the stack that the demo composes.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/', pathNot: '^apps/bench/' },
      to: { path: '^(apps/|iolayers(/|$)|@iolayers/bench(/|$))', pathNot: '^apps/$1/' },
    },
    {
      name: 'deep-import',
      comment: 'Another package is reached through an entry of its exports, by its name.',
      severity: 'error',
      from: { path: '^(packages|apps)/([^/]+)/' },
      to: {
        path: '^(packages/[^/]+/|@iolayers/[^/]+/(src|dist)/)',
        pathNot: ['^$1/$2/', ...publicEntries],
      },
    },
    {
      name: 'relative-import-of-a-package',
      comment: 'Another package is imported by its name, also where the file is a public entry.',
      severity: 'error',
      from: { path: '^(packages|apps)/([^/]+)/' },
      to: { path: '^(packages|apps)/', pathNot: '^$1/$2/', dependencyTypes: ['local'] },
    },
    {
      name: 'src-imports-test',
      severity: 'error',
      from: { path: '^(packages|apps)/[^/]+/src/' },
      to: { path: '^(packages|apps)/[^/]+/test/' },
    },
    {
      name: 'node-only-where-allowed',
      comment:
        'Libraries run in a browser; nvme/tcp, nvme/file and the apps are where Node is used.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: '^packages/nvme/src/(tcp|file)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'third-party-in-library',
      comment: 'A library has no third-party run-time dependency.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      to: { path: 'node_modules/' },
    },
    {
      name: 'dev-dependency-in-src',
      severity: 'error',
      from: { path: '^(packages|apps)/[^/]+/src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'circular',
      comment: 'Cycles of types alone are erased and allowed; cycles of values are not.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: '^(packages|apps)/[^/]+/(dist|coverage)/',
    enhancedResolveOptions: {
      conditionNames: ['@iolayers/source', 'import', 'types', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
}
