// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { HostTrace } from '../io/host-trace.ts'

/** As sysfs shows them. @see drivers/nvme/host/nvme.h enum nvme_ctrl_state */
export const CtrlState = {
  NEW: 'new',
  LIVE: 'live',
  RESETTING: 'resetting',
  CONNECTING: 'connecting',
  DELETING: 'deleting',
  DEAD: 'dead',
} as const
export type CtrlState = (typeof CtrlState)[keyof typeof CtrlState]

/** From where each state can be reached. */
const ALLOWED_FROM: Readonly<Record<CtrlState, readonly CtrlState[]>> = {
  [CtrlState.NEW]: [],
  [CtrlState.LIVE]: [CtrlState.CONNECTING],
  [CtrlState.RESETTING]: [CtrlState.NEW, CtrlState.LIVE],
  [CtrlState.CONNECTING]: [CtrlState.NEW, CtrlState.RESETTING],
  [CtrlState.DELETING]: [CtrlState.LIVE, CtrlState.RESETTING, CtrlState.CONNECTING],
  [CtrlState.DEAD]: [CtrlState.DELETING],
}

/**
 * Where a controller is in its life. Whoever changes the state has the right to do what the new state stands for, and nobody else has.
 *
 *   new --> connecting --> live --> resetting --> connecting (again)
 *                |           |          |
 *                +-----------+----------+--> deleting --> dead
 *
 * @see drivers/nvme/host/core.c nvme_change_ctrl_state
 */
export class ControllerState {
  readonly #trace: HostTrace
  #current: CtrlState

  constructor(trace: HostTrace) {
    this.#trace = trace
    this.#current = CtrlState.NEW
  }

  get current(): CtrlState {
    return this.#current
  }

  /** It will not come back. @see drivers/nvme/host/nvme.h nvme_state_terminal */
  get terminal(): boolean {
    return this.#current === CtrlState.DELETING || this.#current === CtrlState.DEAD
  }

  /** False, and nothing changes, where the state cannot be reached from the present one. From any context. */
  change(to: CtrlState): boolean {
    const from = this.#current
    if (!ALLOWED_FROM[to].includes(from)) return false
    this.#current = to
    if (this.#trace.ctrlState.enabled) this.#trace.emitCtrlState(from, to)
    return true
  }
}
