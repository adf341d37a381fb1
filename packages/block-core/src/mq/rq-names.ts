// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { ReqOp } from '../req-flags.ts'
import { MqRqState } from './request.ts'

const OP_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ReqOp).map(([name, op]) => [op, name]),
)

/** The name of an operation, `UNKNOWN` for one that is none. @see block/blk-core.c blk_op_str */
export function blkOpStr(op: number): string {
  return OP_NAMES.get(op) ?? 'UNKNOWN'
}

/** @see block/blk-mq-debugfs.c blk_mq_rq_state_name_array */
export type MqRqStateName = 'idle' | 'in_flight' | 'complete'

const STATE_NAMES: Readonly<Record<MqRqState, MqRqStateName>> = {
  [MqRqState.IDLE]: 'idle',
  [MqRqState.IN_FLIGHT]: 'in_flight',
  [MqRqState.COMPLETE]: 'complete',
}

/** @see block/blk-mq-debugfs.c blk_mq_rq_state_name */
export function blkMqRqStateName(state: MqRqState): MqRqStateName {
  return STATE_NAMES[state]
}
