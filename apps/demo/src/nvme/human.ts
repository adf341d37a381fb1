// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  bitsOf,
  CdfsLayout,
  CmicLayout,
  CtrattLayout,
  DlfeatLayout,
  FlbasLayout,
  FnaLayout,
  FrmwLayout,
  FusesLayout,
  LpaLayout,
  OacsLayout,
  OaesLayout,
  OncsLayout,
  SglsLayout,
  VwcLayout,
} from '@iolayers/nvme/spec'
import { asLines } from './fields.ts'
import type { Document, Option } from './nvme-command.ts'

export const HUMAN: Option = {
  flags: '-H, --human-readable',
  description: 'the bits of each field, too',
}

interface Bits {
  readonly fields: Readonly<
    Record<string, { readonly at: number; readonly shift?: number; readonly bits: number }>
  >
}

/** By the field's name in the document. */
const BITS: Readonly<Record<string, Bits>> = {
  cmic: CmicLayout,
  oaes: OaesLayout,
  ctratt: CtrattLayout,
  oacs: OacsLayout,
  frmw: FrmwLayout,
  lpa: LpaLayout,
  oncs: OncsLayout,
  fuses: FusesLayout,
  fna: FnaLayout,
  vwc: VwcLayout,
  ocfs: CdfsLayout,
  sgls: SglsLayout,
  flbas: FlbasLayout,
  dlfeat: DlfeatLayout,
}

/** Below each field that is made of bits, one line for each of its parts: place, value and name in the specification. */
export function humanLines(document: Document): string[] {
  return asLines(document).flatMap((line) => {
    const name = line.split(' ', 1)[0] ?? ''
    const value = document[name]
    const layout = BITS[name]
    if (layout === undefined || typeof value !== 'number') return [line]
    return [
      line,
      ...Object.entries(layout.fields).map(([word, field]) => {
        const from = field.at * 8 + (field.shift ?? 0)
        const to = from + field.bits - 1
        return `  [${to}:${from}] : 0x${bitsOf(value, field).toString(16)}\t${word}`
      }),
    ]
  })
}
