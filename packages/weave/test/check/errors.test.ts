// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  AssertionFailure,
  assertLive,
  assertOnce,
  assertRef,
  createVirtualScheduler,
  DeadlockError,
  DeferredCall,
  fifoStrategy,
  KernelCheckError,
  KernelError,
} from '@iolayers/kernel'
import { expect, test } from 'vitest'
import { faultOf } from '../../src/check/errors.ts'

function thrownBy(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

test('the checks of assertions are their kinds', () => {
  const checks = [
    thrownBy(() => assertLive(false, 'gone')),
    thrownBy(() => assertOnce(false, 'twice')),
    thrownBy(() => assertRef(false, 'below zero')),
    new AssertionFailure('other'),
  ].map((error) => faultOf(error))
  expect(checks.map((fault) => fault.check)).toEqual([
    'use-after-free',
    'double-free',
    'refcount',
    'assertion',
  ])
  expect(checks[0]?.message).toBe('gone')
  expect(checks[0]?.details?.[0]).toContain('at ')
})

test('a finding of checked mode keeps its check; its stacks are details', () => {
  const report = { check: 'dma-fence', message: 'waits here\n  begun at:\n    at x' }
  expect(faultOf(new KernelCheckError(report))).toEqual({
    check: 'dma-fence',
    message: 'waits here',
    details: ['  begun at:', '    at x'],
  })
  const short = { check: 'dma-api', message: 'unmapped twice' }
  expect(faultOf(new KernelCheckError(short))).toEqual(short)
})

test('a run without end is a livelock, with the same message whatever its length', () => {
  const scheduler = createVirtualScheduler({ strategy: fifoStrategy(), stepsMax: 10 })
  const again = new DeferredCall('again', () => scheduler.queue(again))
  scheduler.queue(again)
  const fault = faultOf(thrownBy(() => scheduler.runUntilIdle()))
  expect(fault).toEqual({
    check: 'livelock',
    message: 'the run took as many steps as it may, and did not end',
    details: ['call again is runnable'],
  })
})

test('of several errors the most telling one is the fault, and names the others', () => {
  const errors = [new Error('other'), new AssertionFailure('gone', 'use-after-free')]
  const fault = faultOf(new AggregateError(errors, 'two'))
  expect(fault.check).toBe('use-after-free')
  expect(fault.details?.at(-1)).toBe('also crash: Error: other')
  expect(faultOf(new AggregateError([], 'none'))).toEqual({ check: 'crash', message: 'none' })
})

test('whatever else is thrown is a fault too', () => {
  expect(faultOf(new DeadlockError(['a waits']))).toEqual({
    check: 'stuck',
    message: 'a wait that nobody ends',
    details: ['a waits'],
  })
  expect(faultOf(new KernelError('ENOMEM', 'no room'))).toMatchObject({
    check: 'error',
    message: 'ENOMEM, which nobody handled: no room',
  })
  expect(faultOf(new TypeError('no method'))).toMatchObject({
    check: 'crash',
    message: 'TypeError: no method',
  })
  expect(faultOf('text')).toEqual({ check: 'crash', message: 'thrown: text' })
})
