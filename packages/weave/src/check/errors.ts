// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a run throws, as a fault. The name of the check is stable: two runs that fail the same way get the same one, whatever numbers their
// messages hold.

import {
  AssertionFailure,
  DeadlockError,
  KernelCheckError,
  KernelError,
  NoEndError,
} from '@iolayers/kernel'
import type { Fault } from '../search/contracts.ts'

/** Frames of a stack that a fault keeps. */
const FRAMES_MAX = 6

/** Of several errors the most telling one is the fault: the first check here that one of them has. */
const BY_WEIGHT: readonly string[] = [
  'use-after-free',
  'double-free',
  'dma-api',
  'refcount',
  'dma-fence',
  'assertion',
]

/** The fault that an error stands for. `error`: anything that was thrown. */
export function faultOf(error: unknown): Fault {
  if (error instanceof AggregateError) return worstOf(error)
  if (error instanceof AssertionFailure) {
    return { check: error.check, message: error.message, details: framesOf(error) }
  }
  if (error instanceof KernelCheckError) return foundByKernel(error)
  if (error instanceof NoEndError) {
    return {
      check: 'livelock',
      message: 'the run took as many steps as it may, and did not end',
      details: error.outstanding,
    }
  }
  if (error instanceof DeadlockError) {
    return { check: 'stuck', message: 'a wait that nobody ends', details: error.waiting }
  }
  if (error instanceof KernelError) {
    return {
      check: 'error',
      message: `${error.code}, which nobody handled: ${error.message}`,
      details: framesOf(error),
    }
  }
  if (error instanceof Error) {
    const message = `${error.name}: ${error.message}`
    return { check: 'crash', message, details: framesOf(error) }
  }
  return { check: 'crash', message: `thrown: ${String(error)}` }
}

function worstOf(error: AggregateError): Fault {
  const faults = error.errors.map(faultOf)
  const ranked = faults.toSorted((a, b) => weightOf(a) - weightOf(b))
  const [worst, ...others] = ranked
  if (worst === undefined) return { check: 'crash', message: error.message }
  const also = others.map((fault) => `also ${fault.check}: ${fault.message}`)
  return { ...worst, details: [...(worst.details ?? []), ...also] }
}

function weightOf(fault: Fault): number {
  const at = BY_WEIGHT.indexOf(fault.check)
  return at < 0 ? BY_WEIGHT.length : at
}

/** The first line says what; the others are stacks. */
function foundByKernel(error: KernelCheckError): Fault {
  const [first = '', ...details] = error.message.split('\n')
  const message = first.startsWith(`${error.check}: `) ? first.slice(error.check.length + 2) : first
  return details.length === 0
    ? { check: error.check, message }
    : { check: error.check, message, details }
}

/** Where it was thrown, without what runs generators. */
function framesOf(error: Error): readonly string[] {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s*at |@/.test(line) && !/\.next \(<anonymous>\)|node:internal/.test(line))
    .slice(0, FRAMES_MAX)
    .map((line) => line.trim())
}
