// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Mutex, type Op, yieldNow } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'

/**
 * What must fail: two tasks that take two locks in opposite orders, in "our" design. A search that finds nothing here finds nothing anywhere,
 * and its other verdicts are worth nothing.
 */
export const canary: Scenario = {
  id: 'CANARY',
  hazards: [],
  title: 'two locks in opposite orders',
  happenedIn: 'nowhere: it tells whether the explorer sees',
  step: 'none: the fault is in both designs',
  survives: 'it does not',
  mutantPolicy: 'fence',
  policies: ['fence'],
  mutant: {},
  *setup({ scheduler }) {
    const first = new Mutex(scheduler, 'first')
    const second = new Mutex(scheduler, 'second')
    function* both(outer: Mutex, inner: Mutex): Op<void> {
      yield* outer.lock()
      yield* yieldNow(scheduler)
      yield* inner.lock()
      inner.unlock()
      outer.unlock()
    }
    return { actors: { there: both(first, second), back: both(second, first) } }
  },
}
