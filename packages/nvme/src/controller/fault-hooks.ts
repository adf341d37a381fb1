// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a controller asks those who make it fail. Without them it asks nothing.

import type { NamespaceStore, StoreIo } from './contracts.ts'

/** Where a command is held. */
export const HoldAt = { NOWHERE: 0, BEFORE: 1, AFTER: 2 } as const
export type HoldAt = (typeof HoldAt)[keyof typeof HoldAt]

/** What becomes of the completion of a command. */
export const Posting = { NORMAL: 0, NO_INTERRUPT: 1, NONE: 2, TWICE: 3, WRONG_ID: 4 } as const
export type Posting = (typeof Posting)[keyof typeof Posting]

/** A command that is held: no DMA is done for it until it goes on. */
export interface HeldCommand {
  /** False when it has gone on, was aborted, or fell to a reset. */
  readonly live: boolean
  /** Goes on soon. Without effect when it is live no more. */
  release(): void
}

/** What is wrong with one command. */
export interface CommandFault {
  readonly hold: HoldAt
  /** Whether an Abort, or the deletion of its queue, stops it while it is held. */
  readonly abortable: boolean
  /** Ends with this status and moves nothing; -1: as it should. */
  readonly status: number
  /** Ends with this status, whatever it did; -1: with its own. */
  readonly endStatus: number
  /** DW0 of its completion; -1: its own. */
  readonly result: number
  readonly posting: Posting
  /** The identifier that a completion with a wrong one has. */
  readonly commandId: number
  readonly changesEntry: boolean
  readonly changesData: boolean
  /** A byte of its entry, as it is run. Asked only where it changes the entry. */
  entryByte(offset: number, byte: number): number
  /** A byte of what it returns to the host. Asked only where it changes data. */
  dataByte(offset: number, byte: number): number
  /** Told once, before it is run. */
  met(): void
  /** Told once, when it ends. */
  ended(): void
  /** Told once, when it is held. */
  heldBy(command: HeldCommand): void
}

export interface CommandInfo {
  readonly sqid: number
  readonly commandId: number
  readonly opcode: number
  readonly nsid: number
  /** Of commands for a range of blocks; 0 and 0 for others. */
  readonly firstBlock: number
  readonly blocks: number
  /** Commands that the controller has, this one with them. */
  readonly inFlight: number
  /** Host Identifier that was set, in hexadecimal digits as it lies in memory; zeros before. */
  readonly hostId: string
  /** One of the 16 of its entry. To be asked at once: the place of the entry may be used again. */
  dword(index: number): number
}

/** What Identify says, where it is not what the controller does. */
export interface IdentifyLies {
  /** Largest transfer, as a power of two of 4 KiB; 0 for no limit. */
  readonly mdts?: number
  readonly sgl?: boolean
}

/** The controller, for those who make it fail. */
export interface FaultTarget {
  /** Looks again at what it was told. */
  kick(): void
  /** CSTS.CFS: nothing is fetched any more, only a reset helps. */
  fail(): void
  /** Pulled out of its slot: no DMA, no interrupt, and registers read as all ones. For good. */
  remove(): void
  /** Its power goes, and comes back: commands are gone, and it is as it was when it was made, but for its namespaces and what was saved. */
  powerCut(): void
  /** An asynchronous event, told as all others are. */
  raiseEvent(type: number, info: number, logId: number): void
  /** Puts a namespace on the list of changes, and tells it. */
  namespaceChanged(nsid: number): void
  /** What was wrong with the command that an I/O is for. */
  faultOf(io: StoreIo): CommandFault | null
}

/** Faults of a controller. Asked when commands are fetched, and when the host enables or disables it. */
export interface ControllerFaults {
  /** CC.EN=0 is as if it had not been written. */
  readonly ignoresDisable: boolean
  /** From CC.EN=1 to CSTS.RDY=1; infinite for never. */
  readonly readyDelayNs: number
  readonly identifyLies: IdentifyLies | null
  /** Throws EBUSY when it has a controller already. */
  attach(target: FaultTarget): void
  command(info: CommandInfo): CommandFault | null
  /** What a namespace is to use instead of its store. Gives back what it made before. */
  medium(store: NamespaceStore): NamespaceStore
}
