// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { wantsJson } from '../../../src/cli/output.ts'
import { LineReader } from '../../../src/observe/line-reader.ts'
import {
  dataHead,
  END_FRAME,
  errorFrame,
  formatRequest,
  parseFrameHead,
  parseRequest,
} from '../../../src/observe/protocol.ts'

describe('a request', () => {
  it('says which iterator, in which form, in reads of which size, and reads back', () => {
    const request = { iter: 'dmabuf_token', format: 'json', readSizeBytes: 17 } as const
    const line = formatRequest(request)
    expect(line).toBe('{"version":1,"iter":"dmabuf_token","format":"json","readSize":17}\n')
    expect(parseRequest(line.trimEnd())).toEqual(request)
  })

  it('is text in reads of 4,096 bytes unless it says otherwise', () => {
    expect(parseRequest('{"version":1,"iter":"request","later":"ignored"}')).toEqual({
      iter: 'request',
      format: 'text',
      readSizeBytes: 4096,
    })
  })

  it.each([
    ['{', 'the request is not one line with a JSON object'],
    ['', 'the request is not one line with a JSON object'],
    ['null', 'the request is not one line with a JSON object'],
    ['7', 'the request is not one line with a JSON object'],
    ['[]', '"version" is missing; it takes 1'],
    ['{"version":2,"iter":"dmabuf"}', '"version" is 2; it takes 1'],
    ['{"version":1}', '"iter" is missing; it takes one of dmabuf, request, dmabuf_token'],
    ['{"version":1,"iter":"x"}', '"iter" is "x"; it takes one of dmabuf, request, dmabuf_token'],
    [
      '{"version":1,"iter":"dmabuf","format":"xml"}',
      '"format" is "xml"; it takes one of text, json',
    ],
    ['{"version":1,"iter":"dmabuf","readSize":0}', '"readSize" is 0; it takes 1 to 1048576'],
    [
      '{"version":1,"iter":"dmabuf","readSize":1048577}',
      '"readSize" is 1048577; it takes 1 to 1048576',
    ],
    ['{"version":1,"iter":"dmabuf","readSize":"4K"}', '"readSize" is "4K"; it takes 1 to 1048576'],
    ['{"version":1,"iter":"dmabuf","readSize":1.5}', '"readSize" is 1.5; it takes 1 to 1048576'],
  ])('%s is EINVAL', (line, message) => {
    expect(() => parseRequest(line)).toThrow(expect.objectContaining({ code: 'EINVAL', message }))
  })
})

describe('the lines of an answer', () => {
  it('read back as they were written', () => {
    expect(parseFrameHead(dataHead(4140).trimEnd())).toBe(4140)
    expect(parseFrameHead(END_FRAME.trimEnd())).toBe('end')
    expect(() => parseFrameHead(errorFrame('EAGAIN', 'try "again"').trimEnd())).toThrow(
      expect.objectContaining({ code: 'EAGAIN', message: 'try "again"' }),
    )
  })

  it('an error with a code that the kernel does not have is EIO, with its words', () => {
    const frame = errorFrame('EWHATEVER', 'no idea').trimEnd()
    const told = expect.objectContaining({ code: 'EIO', message: 'no idea' })
    expect(() => parseFrameHead(frame)).toThrow(told)
  })

  it.each([
    'HTTP/1.1 400 Bad Request',
    'data 0',
    'data -1',
    'data 1048577',
    'data 99999999999999',
    'data',
    'ende',
    '',
    'error {',
    'error {"code":"EIO"}',
    'error null',
  ])('"%s" is EPROTO', (line) => {
    expect(() => parseFrameHead(line)).toThrow(expect.objectContaining({ code: 'EPROTO' }))
  })
})

it('lines and runs of bytes come out of chunks of any size', () => {
  const bytes = Buffer.from('data 5\nä\n\nx\nend\n')
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new LineReader()
    const seen: string[] = []
    let due = 0
    for (let at = 0; at < bytes.length; at += size) {
      reader.push(bytes.subarray(at, at + size))
      for (;;) {
        if (due > 0) {
          const got = reader.bytes(due)
          if (got.length === 0) break
          due -= got.length
          seen.push(Buffer.from(got).toString('latin1'))
          continue
        }
        const line = reader.line()
        if (line === undefined) break
        seen.push(`${line}|`)
        if (line.startsWith('data ')) due = Number(line.slice(5))
      }
    }
    expect(seen.join('')).toBe(`data 5|${Buffer.from('ä\n\nx').toString('latin1')}|end|`)
    expect(reader.heldBytes).toBe(0)
  }
})

it('--format json asks for failures as JSON, too', () => {
  expect(wantsJson(['iter', 'dmabuf', '--format', 'json'])).toBe(true)
  expect(wantsJson(['iter', 'dmabuf', '--format=json'])).toBe(true)
  expect(wantsJson(['copy', 'a', 'b', '--json'])).toBe(true)
  expect(wantsJson(['iter', 'dmabuf', '--format', 'text', '--from', 'json'])).toBe(false)
  expect(wantsJson(['copy', '--', '--json', '--format', 'json'])).toBe(false)
})
