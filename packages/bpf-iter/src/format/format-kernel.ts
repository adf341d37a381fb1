// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import type { FormatArg } from './format-arg.ts'
import { type FieldFormat, type FormatSpec, parseFormat } from './format-spec.ts'

/** What arguments cost in the kernel's array of them; throws ENOSPC when it is full. Gives the text that there is room for. */
export interface ArgRoom {
  take(spec: FormatSpec, arg: FormatArg): FormatArg
}

/**
 * Formats as the kernel's printf does, in the part of it that BPF programs may use: `%d %i %u %x %X`, each with `l` or `ll`, `%c`, `%s`
 * (also as `%pks` and `%pus`), `%pI4 %pi4 %pI6 %pi6` over 4 or 16 bytes, `%%`, and in front of them the flags `0`, `+`, `-`, space,
 * and a width, which counts bytes of UTF-8. There is no precision, no `%o` and no kernel pointer.
 *
 * Numbers wrap as they would in C: without `l` to 32 bits, with `l` or `ll` to 64. A number must be an integer, and is taken at
 * the value that it has exactly; use a bigint beyond 2^53. Text ends at its first NUL. `%c` takes the low 8 bits, of which only ASCII
 * can be shown as text.
 *
 * Throws KernelError EINVAL for a malformed format, too few arguments, or an argument of the wrong type. Arguments beyond those that the
 * format asks for are ignored.
 * @see lib/vsprintf.c bstr_printf, kernel/bpf/helpers.c bpf_bprintf_prepare
 */
export function formatKernel(format: string, args: readonly FormatArg[]): string {
  return formatWithin(format, args, null)
}

/** `formatKernel` with arguments that have to fit a room of limited size. */
export function formatWithin(
  format: string,
  args: readonly FormatArg[],
  room: ArgRoom | null,
): string {
  let out = ''
  let used = 0
  for (const piece of parseFormat(format)) {
    if (typeof piece === 'string') {
      out += piece
      continue
    }
    const arg = args[used]
    if (arg === undefined) {
      throw new KernelError('EINVAL', `${JSON.stringify(format)} asks for argument ${used + 1}`, {
        value: `${args.length} arguments`,
      })
    }
    used += 1
    out += formatArg(piece, room === null ? arg : room.take(piece, arg))
  }
  return out
}

function formatArg(spec: FormatSpec, arg: FormatArg): string {
  switch (spec.kind) {
    case 'number':
      return formatNumber(spec, integer(arg))
    case 'string':
      if (typeof arg !== 'string') return refuse('%s', arg, 'text')
      return widen(spec.field, cString(arg))
    case 'char':
      return widen(spec.field, formatChar(arg))
    case 'ip':
      return formatIp(spec.version, spec.padded, arg)
  }
}

/** @see lib/vsprintf.c number */
function formatNumber(spec: FormatSpec & { kind: 'number' }, value: number | bigint): string {
  const { field } = spec
  let digits = wrapped(spec, value).toString(spec.base)
  let sign = ''
  if (digits.startsWith('-')) {
    sign = '-'
    digits = digits.slice(1)
  } else if (spec.signed) {
    sign = field.plus ? '+' : field.space ? ' ' : ''
  }
  if (spec.upper) digits = digits.toUpperCase()
  if (field.zeroPad && !field.left) {
    digits = digits.padStart(field.widthBytes - sign.length, '0')
  }
  return widen(field, sign + digits)
}

function wrapped(spec: FormatSpec & { kind: 'number' }, value: number | bigint): number | bigint {
  if (spec.bits === 32) {
    const low = typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : value | 0
    return spec.signed ? low : low >>> 0
  }
  if (Number.isSafeInteger(value) && (spec.signed || value >= 0)) return value
  return spec.signed ? BigInt.asIntN(64, BigInt(value)) : BigInt.asUintN(64, BigInt(value))
}

function integer(arg: FormatArg): number | bigint {
  if (typeof arg === 'bigint' || Number.isInteger(arg)) return arg as number | bigint
  return refuse('a number conversion', arg, 'an integer')
}

function formatChar(arg: FormatArg): string {
  const byte = Number(BigInt.asUintN(8, BigInt(integer(arg))))
  return byte < 0x80 ? String.fromCharCode(byte) : refuse('%c', arg, 'ASCII')
}

/** @see lib/vsprintf.c ip4_string, ip6_string */
function formatIp(version: 4 | 6, padded: boolean, arg: FormatArg): string {
  const length = version === 4 ? 4 : 16
  if (!(arg instanceof Uint8Array) || arg.length !== length) {
    return refuse(`%pI${version}`, arg, `${length} bytes`)
  }
  if (version === 4) {
    return Array.from(arg, (byte) => String(byte).padStart(padded ? 3 : 1, '0')).join('.')
  }
  const hex = Array.from(arg, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return padded ? hex : hex.replaceAll(/.{4}(?!$)/g, '$&:')
}

/** @see lib/vsprintf.c widen_string */
function widen(field: FieldFormat, text: string): string {
  const spaces = field.widthBytes - utf8Bytes(text)
  if (spaces <= 0) return text
  const padding = ' '.repeat(spaces)
  return field.left ? text + padding : padding + text
}

/** Text up to its first NUL. */
export function cString(text: string): string {
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

/** The length of text as UTF-8, an unpaired surrogate counting as the three bytes that stand in for it. */
export function utf8Bytes(text: string): number {
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return bytes
}

function refuse(conversion: string, arg: FormatArg, accepted: string): never {
  throw new KernelError('EINVAL', `argument of ${conversion}`, {
    value: arg instanceof Uint8Array ? `${arg.length} bytes` : arg,
    accepted,
  })
}
