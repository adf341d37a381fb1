// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a command of `iolayers nvme` is made of, and how it reads its options.

import type { Op } from '@iolayers/kernel'
import { UsageError } from '../cli/failure.ts'
import { parseCount } from '../cli/values.ts'
import type { Shown } from './fields.ts'
import type { NvmeSession } from './session.ts'

const U32_MAX = 2 ** 32 - 1

/** Options of one command, as text, by their names. */
export type Raw = Readonly<Record<string, string | boolean | undefined>>

export type Document = { [name: string]: Shown }

/** What a command has to say: the document as JSON, and otherwise lines, or else the document's. */
export interface Answer {
  readonly document: Document
  readonly lines?: readonly string[]
  /** To stdout as it is, instead of lines. */
  readonly bytes?: Uint8Array
}

export interface Option {
  /** As nvme-cli spells it. */
  readonly flags: string
  readonly description: string
  readonly fallback?: string
}

export interface NvmeCommand {
  readonly name: string
  readonly description: string
  readonly options?: readonly Option[]
  /** What is in the namespace may be another thing afterwards. */
  readonly writes?: boolean
  /** It destroys what is in a namespace: only with --force. */
  losesData?(raw: Raw): boolean
  run(session: NvmeSession, raw: Raw): Op<Answer>
}

export const NSID: Option = {
  flags: '-n, --namespace-id <NSID>',
  description: 'the namespace',
  fallback: '1',
}

export function isSet(raw: Raw, name: string): boolean {
  return raw[name] === true
}

export function text(raw: Raw, name: string): string | null {
  const value = raw[name]
  return typeof value === 'string' ? value : null
}

/** Decimal, or hexadecimal after 0x. */
export function number(raw: Raw, name: string, min = 0, max: number = U32_MAX): number {
  const given = text(raw, name)
  if (given === null) throw new UsageError(`missing ${flagOf(name)}`)
  return parseNumber(given, flagOf(name), min, max)
}

/** The same, but for an option that need not be there. */
export function numberOr(raw: Raw, name: string, fallback: number, max: number = U32_MAX): number {
  return text(raw, name) === null ? fallback : number(raw, name, 0, max)
}

/** Numbers with commas between them. */
export function numbers(raw: Raw, name: string, max: number): number[] {
  const given = text(raw, name)
  if (given === null) throw new UsageError(`missing ${flagOf(name)}`)
  return given.split(',').map((one) => parseNumber(one, flagOf(name), 0, max))
}

export function nsidOf(raw: Raw): number {
  return number(raw, 'namespaceId')
}

function parseNumber(given: string, flag: string, min: number, max: number): number {
  const digits = /^0x[0-9a-f]+$/i.test(given) ? String(Number.parseInt(given, 16)) : given
  return parseCount(digits, flag, { min, max })
}

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
