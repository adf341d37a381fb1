// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scenario } from '../run/scenario.ts'
import { h02 } from './h02-create-invalidate-window.ts'

/** Every scenario, in the order of the hazards. */
export const scenarios: readonly Scenario[] = [h02]

export { canary } from './canary.ts'
export { type Hazard, hazards } from './hazards.ts'
export { type Unreplayed, unreplayed } from './unreplayed.ts'
