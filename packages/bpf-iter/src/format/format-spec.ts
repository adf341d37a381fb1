// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'

/** How a field is set. @see lib/vsprintf.c struct printf_spec */
export interface FieldFormat {
  readonly left: boolean
  readonly zeroPad: boolean
  readonly plus: boolean
  readonly space: boolean
  /** In bytes; 0 for none. */
  readonly widthBytes: number
}

export type FormatSpec =
  | {
      readonly kind: 'number'
      readonly field: FieldFormat
      readonly bits: 32 | 64
      readonly signed: boolean
      readonly base: 10 | 16
      readonly upper: boolean
    }
  | { readonly kind: 'string' | 'char'; readonly field: FieldFormat }
  | { readonly kind: 'ip'; readonly version: 4 | 6; readonly padded: boolean }

/** Text to copy, or a conversion. */
export type FormatPiece = string | FormatSpec

/** @see lib/vsprintf.c FIELD_WIDTH_MAX */
const FIELD_WIDTH_MAX = (1 << 23) - 1

const NUMBERS: ReadonlyMap<string, { signed: boolean; base: 10 | 16; upper: boolean }> = new Map([
  ['d', { signed: true, base: 10, upper: false }],
  ['i', { signed: true, base: 10, upper: false }],
  ['u', { signed: false, base: 10, upper: false }],
  ['x', { signed: false, base: 16, upper: false }],
  ['X', { signed: false, base: 16, upper: true }],
])

const isSpace = (character: string): boolean => /^[ \t-\r]$/.test(character)
const isPunct = (character: string): boolean => /^[!-/:-@[-`{-~]$/.test(character)
/** Characters from 0x80 on may stand in plain text. */
const isPlain = (character: string): boolean =>
  isSpace(character) || (character >= ' ' && character !== '\x7f')

/**
 * Reads a format as BPF programs may use it. Throws KernelError EINVAL where it is malformed.
 * @see kernel/bpf/helpers.c bpf_bprintf_prepare
 */
export function parseFormat(format: string): FormatPiece[] {
  return new FormatScanner(format).scan()
}

class FormatScanner {
  readonly #format: string
  readonly #pieces: FormatPiece[] = []
  #text = ''
  #at = 0

  constructor(format: string) {
    const end = format.indexOf('\0')
    this.#format = end < 0 ? format : format.slice(0, end)
  }

  scan(): FormatPiece[] {
    for (let character = this.#peek(); character !== ''; character = this.#peek()) {
      if (!isPlain(character)) this.#refuse('a control character')
      this.#at += 1
      if (character !== '%') this.#text += character
      else if (this.#accept('%')) this.#text += '%'
      else this.#add(this.#conversion())
    }
    if (this.#text !== '') this.#pieces.push(this.#text)
    return this.#pieces
  }

  #add(spec: FormatSpec): void {
    if (this.#text !== '') this.#pieces.push(this.#text)
    this.#text = ''
    this.#pieces.push(spec)
  }

  #conversion(): FormatSpec {
    const field = this.#field()
    if (this.#accept('p')) return this.#pointer(field)
    if (this.#accept('s')) return this.#string(field)
    if (this.#accept('c')) return { kind: 'char', field }
    let longs = 0
    while (longs < 2 && this.#accept('l')) longs += 1
    const number = NUMBERS.get(this.#peek())
    if (number === undefined) this.#refuse('an unknown conversion')
    this.#at += 1
    return { kind: 'number', field, bits: longs === 0 ? 32 : 64, ...number }
  }

  #field(): FieldFormat {
    let flags = ''
    while ('0 +-'.includes(this.#peek() || '.')) flags += this.#take()
    let width = 0
    while (/^\d$/.test(this.#peek()))
      width = Math.min(width * 10 + Number(this.#take()), FIELD_WIDTH_MAX)
    const has = (flag: string): boolean => flags.includes(flag)
    return { left: has('-'), zeroPad: has('0'), plus: has('+'), space: has(' '), widthBytes: width }
  }

  #string(field: FieldFormat): FormatSpec {
    const after = this.#peek()
    if (after !== '' && !isSpace(after) && !isPunct(after)) this.#refuse('a letter after a string')
    return { kind: 'string', field }
  }

  #pointer(field: FieldFormat): FormatSpec {
    if (this.#accept('ks') || this.#accept('us')) return this.#string(field)
    const kind = this.#format.slice(this.#at, this.#at + 2)
    if (!/^[iI][46]$/.test(kind)) this.#refuse('a pointer that is no address')
    // What pointer formats may have after them is taken for part of them.
    while (/^[0-9A-Za-z]$/.test(this.#peek())) this.#at += 1
    return { kind: 'ip', version: kind[1] === '4' ? 4 : 6, padded: kind[0] === 'i' }
  }

  #peek(): string {
    return this.#format[this.#at] ?? ''
  }

  #take(): string {
    const character = this.#peek()
    this.#at += 1
    return character
  }

  #accept(text: string): boolean {
    if (!this.#format.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #refuse(what: string): never {
    throw new KernelError('EINVAL', `format with ${what} at ${this.#at}`, {
      value: JSON.stringify(this.#format),
      accepted: '%d %i %u %x %X with l or ll, %c, %s, %pks, %pus, %pi4, %pI4, %pi6, %pI6, %%',
    })
  }
}
