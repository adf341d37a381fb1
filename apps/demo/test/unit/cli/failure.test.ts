// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { statSync } from 'node:fs'
import { KernelError } from '@iolayers/kernel'
import { expect, it } from 'vitest'
import {
  describeFailure,
  ExitCode,
  errorText,
  printFailure,
  SignalledError,
  UsageError,
} from '../../../src/cli/failure.ts'
import { fakeIo } from '../../fake-io.ts'

function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

it.each([
  [new UsageError('bad'), 'EUSAGE', ExitCode.USAGE],
  [new SignalledError('SIGINT'), 'EINTR', ExitCode.INTERRUPTED],
  [new SignalledError('SIGTERM'), 'EINTR', ExitCode.TERMINATED],
  [new KernelError('ENOSPC', 'full'), 'ENOSPC', ExitCode.FAILED],
  [thrownBy(() => statSync('/nowhere/at/all')), 'ENOENT', ExitCode.FAILED],
  [new RangeError('WebAssembly.Memory(): could not allocate memory'), 'ENOMEM', ExitCode.FAILED],
])('%s is %s', (error, code, exitCode) => {
  expect(describeFailure(error)).toMatchObject({ code, exitCode })
})

it('a fault of our own has no words', () => {
  expect(describeFailure(new TypeError('x is not a function'))).toBeUndefined()
  expect(describeFailure(new RangeError('invalid index'))).toBeUndefined()
  expect(describeFailure('thrown text')).toBeUndefined()
})

it('codes have the words of the system', () => {
  expect(errorText('ENOSPC')).toBe('no space left on device')
  expect(errorText('ENOSUCHCODE')).toBe('ENOSUCHCODE')
})

it('JSON on stdout comes with the line on stderr, not instead of it', () => {
  const io = fakeIo()
  printFailure(io, true, { code: 'ENOSPC', message: 'full', exitCode: ExitCode.FAILED })
  expect(JSON.parse(io.out())).toEqual({ version: 1, error: { code: 'ENOSPC', message: 'full' } })
  expect(io.err()).toBe('iolayers: full\n')
})
