// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scenario } from '../run/scenario.ts'
import { d01 } from './d01-parked-request.ts'
import { d02 } from './d02-user-in-ioctl.ts'
import { d03 } from './d03-lost-command.ts'
import { d05 } from './d05-returns-before-drained.ts'
import { f01 } from './f01-init-before-reserve.ts'
import { f02 } from './f02-reclaim-cycle.ts'
import { f03 } from './f03-starved-signal.ts'
import { f04 } from './f04-user-task-drops.ts'
import { f05 } from './f05-waits-for-all.ts'
import { f06 } from './f06-signal-after-unmap.ts'
import { f08 } from './f08-zero-timeout.ts'
import { f09 } from './f09-shared-context.ts'
import { f10 } from './f10-over-wide-class.ts'
import { f11 } from './f11-data-order.ts'
import { f12 } from './f12-no-slot.ts'
import { f13 } from './f13-reset-allocates.ts'
import { h01 } from './h01-batch-forgets.ts'
import { h02 } from './h02-create-invalidate-window.ts'
import { h03 } from './h03-failed-map-leaks.ts'
import { h04 } from './h04-error-holds-lock.ts'
import { h05 } from './h05-reader-and-free.ts'
import { h06 } from './h06-exit-while-reachable.ts'
import { h08 } from './h08-check-then-increment.ts'
import { h09 } from './h09-signal-before-pin.ts'
import { h10 } from './h10-one-work-item.ts'
import { h12 } from './h12-leaves-early.ts'
import { h13 } from './h13-failed-attach-leaks.ts'
import { h14 } from './h14-publish-while-closing.ts'
import { h15 } from './h15-removal-order.ts'
import { it1 } from './it1-retry-on-first.ts'
import { p01 } from './p01-swallowed-writes.ts'
import { p04 } from './p04-base-and-offset.ts'
import { r01 } from './r01-stale-reuse.ts'
import { r02 } from './r02-partial-submission.ts'
import { r03 } from './r03-every-refusal-a-retry.ts'
import { r04 } from './r04-takes-twice.ts'
import { r05 } from './r05-again-for-all.ts'
import { r06 } from './r06-several-first-maps.ts'
import { r07 } from './r07-no-bound.ts'
import { r08 } from './r08-mixed-generations.ts'
import { s01 } from './s01-unlinked-list.ts'
import { s04 } from './s04-frees-by-flag.ts'
import { s05 } from './s05-whole-page-sync.ts'
import { s06 } from './s06-one-way-sync.ts'
import { t01 } from './t01-trace-after-put.ts'
import { t02 } from './t02-trace-after-install.ts'
import { t03 } from './t03-name-of-gone-driver.ts'
import { t04 } from './t04-untold-descriptor.ts'

/** Every scenario, in the order of the hazards. */
export const scenarios: readonly Scenario[] = [
  h01,
  h02,
  h03,
  h04,
  h05,
  h06,
  h08,
  h09,
  h10,
  h12,
  h13,
  h14,
  h15,
  f01,
  f02,
  f03,
  f04,
  f05,
  f06,
  f08,
  f09,
  f10,
  f11,
  f12,
  f13,
  d01,
  d02,
  d03,
  d05,
  r01,
  r02,
  r03,
  r04,
  r05,
  r06,
  r07,
  r08,
  s01,
  s04,
  s05,
  s06,
  p01,
  p04,
  t01,
  t02,
  t03,
  t04,
  it1,
]

export { canary } from './canary.ts'
export { type Hazard, hazards } from './hazards.ts'
export { type Unreplayed, unreplayed } from './unreplayed.ts'
