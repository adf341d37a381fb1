// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { ExitCode } from '../../../src/cli/failure.ts'
import { main } from '../../../src/cli/main.ts'
import { fakeIo } from '../../fake-io.ts'

describe('wrong usage ends with 2 and EUSAGE', () => {
  it.each([
    [[], 'missing command'],
    [['dmabuf'], 'missing command'],
    [['move', 'a', 'b'], "unknown command 'move'"],
    [['dmabuf', 'lits'], "unknown command 'lits'"],
    [['copy'], "missing required argument 'SRC'"],
    [['copy', 'a'], "missing required argument 'DST'"],
    [['copy', 'a', 'b', 'c'], 'too many arguments'],
    [['copy', 'a', 'b', '--bufers', '3'], "unknown option '--bufers'; did you mean --buffers?"],
    [['copy', 'a', 'b', '--queue-depth'], "option '--queue-depth <N>' argument missing"],
    [['copy', '', 'b'], 'SRC is empty'],
    [['copy', 'a', ''], 'DST is empty'],
    [['copy', 'mem:', 'b'], 'the size in SRC (mem:) is ""'],
    [['copy', 'a', 'mem:1X'], 'the size in DST (mem:1X) is "1X"'],
    [
      ['copy', 'a', 'b', '--block-size', '256'],
      '--block-size is 256; it takes a power of two from 512',
    ],
    [['copy', 'a', 'b', '--block-size', '1000'], '--block-size is 1000; it takes a power of two'],
    [['copy', 'a', 'b', '--block-size', '128M'], 'from 512 to 67108864 bytes'],
    [
      ['copy', 'a', 'b', '--queue-depth', '0'],
      '--queue-depth is "0"; it takes a whole number from 1 to 1024',
    ],
    [['copy', 'a', 'b', '--queue-depth', '1025'], 'from 1 to 1024'],
    [['copy', 'a', 'b', '--buffers', '0'], '--buffers is "0"'],
    [
      ['copy', 'a', 'b', '--iommu', 'on'],
      '--iommu is "on"; it takes one of strict, lazy, passthrough',
    ],
    [['copy', 'a', 'b', '--verify', 'x'], '--verify is "x"; it takes one of full, source, none'],
    [
      ['copy', 'a', 'b', '--evict-every', '0'],
      '--evict-every is "0"; it takes a whole number from 1',
    ],
    [['copy', 'a', 'b', '--policy', 'x'], '--policy is "x"; it takes one of fence, drain'],
    [
      ['copy', 'a', 'b', '--resubmit-max', '-1'],
      '--resubmit-max is "-1"; it takes a whole number from 0',
    ],
    [['dmabuf', 'list', '--read-size', '0'], '--read-size is 0; it takes 1 to'],
    [
      ['dmabuf', 'list', '--create', '65537'],
      '--create is "65537"; it takes a whole number from 0 to 65536',
    ],
    [['trace', '--size', '100'], '--size is 100; it takes a multiple of 512'],
    [['trace', '--size', '17M'], 'to 16777216 bytes'],
    [['trace', '--op', 'trim'], '--op is "trim"; it takes one of read, write'],
    [['trace', 'extra'], 'too many arguments'],
  ])('%j', async (args, message) => {
    const io = fakeIo()
    expect(await main(args, io)).toBe(ExitCode.USAGE)
    expect(io.err()).toContain(message)
    expect(io.err().split('\n')).toHaveLength(2)
    expect(io.out()).toBe('')
  })

  it('is one document with --json, whatever else is wrong', async () => {
    const io = fakeIo()
    expect(await main(['copy', 'a', 'b', '--json', '--bogus'], io)).toBe(ExitCode.USAGE)
    const { version, error } = JSON.parse(io.out())
    expect(version).toBe(1)
    expect(error.code).toBe('EUSAGE')
    expect(error.message).toContain("unknown option '--bogus'")
  })
})

describe('help', () => {
  it.each([
    [['--help']],
    [['copy', '-h']],
    [['dmabuf', '--help']],
    [['dmabuf', 'list', '--help']],
    [['trace', '--help']],
    [['help', 'copy']],
  ])('%j begins with an example', async (args) => {
    const io = fakeIo()
    expect(await main(args, io)).toBe(ExitCode.DONE)
    expect(io.out()).toMatch(/^Example:\n {2}iolayers /)
    expect(io.out()).toContain('Usage: iolayers')
    expect(io.err()).toBe('')
  })

  it.each(['--version', '-V'])('%s prints the version', async (option) => {
    const io = fakeIo()
    expect(await main([option], io)).toBe(ExitCode.DONE)
    expect(io.out()).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('commands that need no file', () => {
  it('copies memory to memory', async () => {
    const io = fakeIo()
    expect(await main(['copy', 'mem:100K', 'mem:1M', '--block-size', '4K', '--json'], io)).toBe(0)
    const result = JSON.parse(io.out())
    expect(result).toMatchObject({ version: 1, bytes: 102400, resubmitted: 0 })
    expect(result.sha256.source).toBe(result.sha256.target)
    expect(io.err()).toBe('')
  })

  it('a memory target that is too small is ENOSPC before anything moves', async () => {
    const io = fakeIo()
    expect(await main(['copy', 'mem:100K', 'mem:1K', '--json'], io)).toBe(ExitCode.FAILED)
    expect(JSON.parse(io.out()).error).toEqual({
      code: 'ENOSPC',
      message: 'DST mem:1024 holds 1024 bytes, SRC mem:102400 has 102400',
    })
  })

  it('memory that the machine does not have is ENOMEM', async () => {
    const io = fakeIo()
    expect(await main(['copy', 'mem:1000T', 'mem:1000T', '--json'], io)).toBe(ExitCode.FAILED)
    const { error } = JSON.parse(io.out())
    expect(error.code).toBe('ENOMEM')
    expect(error.message).toMatch(/^the copy takes \d+ bytes of memory .* are available$/)
  })

  it('--quiet prints nothing', async () => {
    const io = fakeIo({ tty: true })
    expect(await main(['copy', 'mem:1K', 'mem:1K', '--quiet'], io)).toBe(0)
    expect(io.out() + io.err()).toBe('')
  })
})
