// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What goes over the socket of `copy --observe`. The client sends one line of JSON and reads the answer to its end:
//
//   {"version":1,"iter":"dmabuf","format":"text","readSize":4096}\n
//
//   data 4140\n  and so many bytes of the iterator: once for each read of it
//   end\n        the listing is whole
//   error {"code":"EINVAL","message":"…"}\n   there is no more, and why
//
// An answer that stops without `end` or `error` was cut off: the copy is over.

import { Errno, type ErrnoName, KernelError } from '@iolayers/kernel'
import { ITER_FORMATS, ITER_NAMES, type IterFormat, type IterName } from '../iter/iter-targets.ts'

export const PROTOCOL_VERSION = 1

/** Bytes of a request line, at most. */
export const REQUEST_BYTES_MAX = 4096

/** Bytes of one read of the iterator. */
export const READ_SIZE = { default: 4096, min: 1, max: 1_048_576 } as const

/** One listing. */
export interface IterRequest {
  readonly iter: IterName
  readonly format: IterFormat
  readonly readSizeBytes: number
}

export function formatRequest({ iter, format, readSizeBytes }: IterRequest): string {
  return `${JSON.stringify({ version: PROTOCOL_VERSION, iter, format, readSize: readSizeBytes })}\n`
}

/** Reads a line without its end. Throws KernelError EINVAL that names the member; `format` and `readSize` may be left out. */
export function parseRequest(line: string): IterRequest {
  const value = parseObject(line)
  const { version, iter, format = 'text', readSize = READ_SIZE.default } = value
  if (version !== PROTOCOL_VERSION) throw refused('version', version, `${PROTOCOL_VERSION}`)
  const size = typeof readSize === 'number' && Number.isInteger(readSize) ? readSize : -1
  if (size < READ_SIZE.min || size > READ_SIZE.max) {
    throw refused('readSize', readSize, `${READ_SIZE.min} to ${READ_SIZE.max}`)
  }
  return {
    iter: choose('iter', iter, ITER_NAMES),
    format: choose('format', format, ITER_FORMATS),
    readSizeBytes: size,
  }
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return { ...value }
  } catch {
    // Said below, for every line that is no object.
  }
  throw new KernelError('EINVAL', 'the request is not one line with a JSON object')
}

function choose<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value)
  if (found !== undefined) return found
  throw refused(name, value, `one of ${choices.join(', ')}`)
}

function refused(name: string, value: unknown, accepted: string): KernelError {
  const shown = JSON.stringify(value) ?? 'missing'
  return new KernelError('EINVAL', `"${name}" is ${shown.slice(0, 64)}; it takes ${accepted}`)
}

export const END_FRAME = 'end\n'

/** The line in front of the bytes of one read. */
export function dataHead(bytes: number): string {
  return `data ${bytes}\n`
}

export function errorFrame(code: string, message: string): string {
  return `error ${JSON.stringify({ code, message })}\n`
}

/** What a line of an answer says: bytes that follow it, or the end. Throws what an `error` line carries, EPROTO for anything else. */
export function parseFrameHead(line: string): number | 'end' {
  if (line === 'end') return 'end'
  const bytes = /^data ([1-9]\d{0,6})$/.exec(line)?.[1]
  if (bytes !== undefined && Number(bytes) <= READ_SIZE.max) return Number(bytes)
  throw line.startsWith('error ') ? parseError(line.slice('error '.length)) : notOurs(line)
}

function parseError(json: string): KernelError {
  try {
    const value: unknown = JSON.parse(json)
    if (typeof value === 'object' && value !== null && 'code' in value && 'message' in value) {
      return new KernelError(errnoNameOf(value.code), String(value.message))
    }
  } catch {
    // Not ours, then.
  }
  return notOurs(`error ${json}`)
}

function notOurs(line: string): KernelError {
  const shown = JSON.stringify(line.slice(0, 64))
  return new KernelError('EPROTO', `the answer is not one of iolayers: ${shown}`)
}

function errnoNameOf(code: unknown): ErrnoName {
  const known = Object.keys(Errno) as ErrnoName[]
  return known.find((name) => name === code) ?? 'EIO'
}
