// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import * as spec from '../../../src/spec/index.ts'
import {
  CQE_BYTES,
  CqeLayout,
  CqeOffset,
  type Field,
  IDENTIFY_BYTES,
  IdCtrl,
  IdCtrlLayout,
  IdNs,
  IdNsIndependent,
  IdNsIndependentLayout,
  IdNsLayout,
  type Layout,
  Reg,
  RegistersLayout,
  SGL_DESCRIPTOR_BYTES,
  SglLayout,
  SMART_LOG_BYTES,
  SmartLogLayout,
  SQE_BYTES,
  SqeLayout,
  SqeOffset,
} from '../../../src/spec/index.ts'
import { commands } from './figures/commands.ts'
import { fabricsAndTcp } from './figures/fabrics-and-tcp.ts'
import { identify } from './figures/identify.ts'
import { logsAndFeatures } from './figures/logs-and-features.ts'
import { type Place, placesOf } from './figures/notation.ts'
import { registersAndEntries } from './figures/registers-and-entries.ts'

const figures = {
  ...registersAndEntries,
  ...commands,
  ...identify,
  ...logsAndFeatures,
  ...fabricsAndTcp,
}

function isLayout(value: unknown): value is Layout {
  return typeof value === 'object' && value !== null && 'fields' in value && 'size' in value
}

const layouts: { readonly [name: string]: Layout } = Object.fromEntries(
  Object.entries(spec).flatMap(([name, value]: [string, unknown]): [string, Layout][] =>
    isLayout(value) ? [[name, value]] : [],
  ),
)

function bitsIn(field: Field): number {
  if ('bits' in field) return field.bits
  if ('big' in field) return field.big
  if ('bytes' in field) return field.bytes * 8
  if ('ascii' in field) return field.ascii * 8
  if ('text' in field) return field.text * 8
  if ('each' in field) return field.count * field.each
  return field.count * field.of.size * 8
}

function placesIn(layout: Layout): Place[] {
  return Object.entries(layout.fields).map(([name, field]) => ({
    name,
    start: field.at * 8 + ('shift' in field ? (field.shift ?? 0) : 0),
    length: bitsIn(field),
  }))
}

const byStart = (a: Place, b: Place): number => a.start - b.start

describe('R-NVME: layouts and figures', () => {
  it('every layout has its figure, and every figure its layout', () => {
    expect(Object.keys(layouts).sort()).toEqual(Object.keys(figures).sort())
  })

  it.each(Object.entries(figures))('%s is as written down', (name, figure) => {
    const layout = layouts[name]!
    expect(layout.size).toBe(figure.size)
    expect(placesIn(layout).sort(byStart)).toEqual(placesOf(figure).sort(byStart))
  })
})

describe('the plain offsets of hot paths are the offsets of the layouts', () => {
  /** Names that differ, or that the layout has as a list. */
  const alias: { readonly [name: string]: string } = { PSD0: 'PSD', LBAF0: 'LBAF' }

  it.each([
    ['SqeOffset', SqeOffset, SqeLayout, ['FLAGS', 'DPTR']],
    ['CqeOffset', CqeOffset, CqeLayout, ['STATUS']],
    ['IdCtrl', IdCtrl, IdCtrlLayout, []],
    ['IdNs', IdNs, IdNsLayout, []],
    ['IdNsIndependent', IdNsIndependent, IdNsIndependentLayout, []],
    ['Reg', Reg, RegistersLayout, ['DBS']],
  ] as const)('%s', (_, offsets, layout: Layout, others: readonly string[]) => {
    const named = Object.entries(offsets).filter(([name]) => !others.includes(name))
    for (const [name, offset] of named) {
      expect([name, layout.fields[alias[name] ?? name]?.at]).toEqual([name, offset])
    }
    expect(named.length).toBeGreaterThan(3)
  })

  it('and the others are where their parts are', () => {
    expect([SqeOffset.FLAGS, SqeOffset.DPTR]).toEqual([
      SqeLayout.fields.FUSE.at,
      SqeLayout.fields.PRP1.at,
    ])
    expect(CqeOffset.STATUS).toBe(CqeLayout.fields.P.at)
  })

  it('sizes too', () => {
    expect([SQE_BYTES, CQE_BYTES, SGL_DESCRIPTOR_BYTES, IDENTIFY_BYTES, SMART_LOG_BYTES]).toEqual([
      SqeLayout.size,
      CqeLayout.size,
      SglLayout.size,
      IdCtrlLayout.size,
      SmartLogLayout.size,
    ])
  })
})
