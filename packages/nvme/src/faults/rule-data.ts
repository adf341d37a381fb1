// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A fault as data: which commands, and what goes wrong at which point of their way. The same in TypeScript and in JSON; `parse.ts` checks both.

/** Which commands. What is not given matches all, but for the queue: without one, commands of every I/O queue and of no admin queue. */
export interface CommandMatch {
  readonly opcode?: number
  readonly queue?: number
  readonly nsid?: number
  /** Reads and writes that touch one of `blocks` blocks from here on. */
  readonly firstBlock?: number
  /** 1 by default. */
  readonly blocks?: number
  /** Dwords of the entry, as far as the mask goes. */
  readonly dwords?: readonly DwordMatch[]
  /** While the controller has at least so many commands, this one with them. */
  readonly inFlight?: number
  /** Commands of the host that has set this Host Identifier, in hexadecimal digits as it lies in memory. */
  readonly host?: string
  /** The first of those that match which is meant, counted from 1; 1 by default. */
  readonly nth?: number
  /** One of so many, from the nth on: 1 is each, and the default. */
  readonly every?: number
  /** Of those, the part that is met: 0 to 1, by the seed of the rule. 1 by default. */
  readonly probability?: number
  /** How many are met; without it, 1 where `nth` is given and all otherwise. */
  readonly times?: number
}

export interface DwordMatch {
  /** 0 to 15. */
  readonly index: number
  readonly value: number
  /** All 32 bits by default. */
  readonly mask?: number
}

/** A status of a completion: as one number, without the phase bit, or by its fields. */
export type StatusData =
  | number
  | {
      readonly sct: number
      readonly sc: number
      readonly dnr?: boolean
      /** Command Retry Delay: 0 for none, else which of CRDT1 to CRDT3. */
      readonly crd?: number
    }

/** How long, in nanoseconds: always the same, anything between two, or a usual time and a rare one (1 of 100). */
export type DelayData =
  | number
  | { readonly minNs: number; readonly maxNs: number }
  | { readonly averageNs: number; readonly p99Ns: number }

/** Bytes from `at` on: exclusive or with them, or instead of what was there. In hexadecimal digits. */
export interface ByteChange {
  readonly at: number
  readonly xor?: string
  readonly set?: string
}

/** An asynchronous event: a namespace of the list of changes, or any type, information and log page. */
export type EventData =
  | { readonly namespace: number }
  | { readonly type: number; readonly info: number; readonly log: number }

/** Fetched, and not begun. */
export interface BeforeFault {
  /** Ends there, having moved nothing. */
  readonly status?: StatusData
  readonly delay?: DelayData
  /** Until it is released. */
  readonly hold?: boolean
  /** Never heard of again: no Abort finds it. Only a reset helps. */
  readonly lost?: boolean
  /** Another command than the host sent. */
  readonly entry?: readonly ByteChange[]
  readonly event?: EventData
}

/** Its data, on the way between host and controller: what the host gets of a command that returns data, what a store gets of a write. */
export interface DataFault {
  readonly change: readonly ByteChange[]
}

/** Each I/O of it at the store of its namespace. */
export interface MediaFault {
  /** Ends with it, having moved nothing. */
  readonly status?: StatusData
  readonly delay?: DelayData
  /** Of a write, only so many bytes arrive; it ends well all the same. */
  readonly tornBytes?: number
  /** Writes, zeros and flushes end well and did not happen. */
  readonly lost?: boolean
  /** Of what is read, or written. */
  readonly change?: readonly ByteChange[]
}

/** Done, and to be told. */
export interface CompletionFault {
  /** Instead of its own; all else was done. */
  readonly status?: StatusData
  /** Dword 0 instead of its own. */
  readonly result?: number
  readonly delay?: DelayData
  readonly hold?: boolean
  /** No completion entry at all. */
  readonly drop?: boolean
  readonly duplicate?: boolean
  /** Names another command. */
  readonly commandId?: number
  /** The entry is written, and its interrupt lost. */
  readonly noInterrupt?: boolean
  readonly event?: EventData
}

/** What happens to the whole controller, with the command in its hands: before it began, or after its data moved. */
export interface PowerFault {
  /** Firmware that found itself broken (CSTS.CFS); pulled out; without power for a moment: volatile caches forget, and it is disabled. */
  readonly event: 'fatal' | 'removal' | 'cut'
  readonly after?: boolean
}

/** One rule. */
export interface FaultRuleData {
  readonly match?: CommandMatch
  readonly before?: BeforeFault
  readonly data?: DataFault
  readonly media?: MediaFault
  readonly completion?: CompletionFault
  readonly power?: PowerFault
}

/** What Identify says, where it is not what the controller does. */
export interface LiesData {
  /** Largest transfer, as a power of two of 4 KiB; 0 for no limit. */
  readonly mdts?: number
  readonly sgl?: boolean
}

/** All faults of a controller, as a file holds them. */
export interface FaultPlan {
  readonly version: 1
  /** Chance, of probabilities and delays: the same seed, the same faults. 1 by default. */
  readonly seed?: number
  /** From CC.EN=1 to CSTS.RDY=1; null for never. */
  readonly readyDelayNs?: number | null
  readonly ignoreDisable?: boolean
  readonly identify?: LiesData
  /** Asked in this order: the first that means a command is its fate. */
  readonly rules?: readonly FaultRuleData[]
}
