// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createKernel, createVirtualScheduler, type TraceEvent } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { ControllerState, CtrlState } from '../../../src/host/ctrl/ctrl-state.ts'
import { HostTrace } from '../../../src/host/io/host-trace.ts'

/** Shortest way to each state. */
const WAY: Readonly<Record<CtrlState, readonly CtrlState[]>> = {
  new: [],
  connecting: ['connecting'],
  live: ['connecting', 'live'],
  resetting: ['connecting', 'live', 'resetting'],
  deleting: ['connecting', 'deleting'],
  dead: ['connecting', 'deleting', 'dead'],
}

/** @see drivers/nvme/host/core.c nvme_change_ctrl_state */
const ALLOWED = new Set([
  'new resetting',
  'new connecting',
  'connecting live',
  'connecting deleting',
  'live resetting',
  'live deleting',
  'resetting connecting',
  'resetting deleting',
  'deleting dead',
])

function stateAt(name: CtrlState): ControllerState {
  const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
  const state = new ControllerState(new HostTrace(kernel.tracer, 0))
  for (const step of WAY[name]) expect(state.change(step)).toBe(true)
  expect(state.current).toBe(name)
  return state
}

describe('nvme host: the states of a controller', () => {
  it('H15: each can be reached from where Linux allows it, and from nowhere else', () => {
    const states = Object.values(CtrlState)
    for (const from of states) {
      for (const to of states) {
        const state = stateAt(from)
        const allowed = ALLOWED.has(`${from} ${to}`)
        expect(state.change(to)).toBe(allowed)
        expect(state.current).toBe(allowed ? to : from)
      }
    }
  })

  it('two of them are for good', () => {
    const terminal = Object.values(CtrlState).filter((name) => stateAt(name).terminal)
    expect(terminal).toEqual(['deleting', 'dead'])
  })

  it('is traced', () => {
    const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
    const events: TraceEvent[] = []
    const stop = kernel.tracer.subscribe(
      (name) => name === 'nvme_ctrl_state',
      (event) => events.push(event),
    )
    const state = new ControllerState(new HostTrace(kernel.tracer, 3))
    state.change('connecting')
    state.change('dead')
    stop()
    expect(events.map(({ values }) => values)).toEqual([[3, 'new', 'connecting']])
  })
})
