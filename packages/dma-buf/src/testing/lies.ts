// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** What an exporter can do wrong. */
export const Lie = {
  /** Peers write to memory that is not the buffer's, and are told that all is well. */
  SWALLOW_PEER_WRITES: 'swallowPeerWrites',
  /** The buffer moves, its old pages go back, and no importer hears of it. */
  MOVE_WITHOUT_NOTICE: 'moveWithoutNotice',
  /** The pages go back while devices have them mapped. */
  FREE_WHILE_MAPPED: 'freeWhileMapped',
  /** Its device goes on using a mapping that the importer has let go. */
  LATE_UNMAP: 'lateUnmap',
  /** A move is still being copied, and nobody is told to wait. */
  FORGET_KERNEL_FENCE: 'forgetKernelFence',
  /** A move never ends. */
  NEVER_SIGNAL: 'neverSignal',
  /** Importers are told without the reservation lock. */
  INVALIDATE_UNLOCKED: 'invalidateUnlocked',
  /** A table is made, the buffer moves and everybody is told, and then the table is given out. */
  INVALIDATE_DURING_MAP: 'invalidateDuringMap',
  /** `beginCpuAccess` takes the reservation lock and keeps it. */
  LEAVE_LOCKED: 'leaveLocked',
  /** `mapDmaBuf` lets go of the reservation lock that its caller holds. */
  DROP_LOCK: 'dropLock',
  SHORT_TABLE: 'shortTable',
  LONG_TABLE: 'longTable',
  UNALIGNED_TABLE: 'unalignedTable',
  ZERO_LENGTH_ENTRY: 'zeroLengthEntry',
  /** More than 4 GiB in one entry. */
  HUGE_ENTRY: 'hugeEntry',
  /** Two entries that lead to the same bytes. */
  OVERLAPPING_ENTRIES: 'overlappingEntries',
  /** Addresses at which there is no memory. */
  NOWHERE: 'nowhere',
  /** A table that an importer has mapped already. */
  SAME_TABLE_TWICE: 'sameTableTwice',
  /** A table that was mapped for another device. */
  FOREIGN_TABLE: 'foreignTable',
  /** A table that nobody mapped. */
  UNMAPPED_TABLE: 'unmappedTable',
  /** A table that was mapped in another direction. */
  WRONG_DIRECTION: 'wrongDirection',
  /** A CPU view of fewer bytes. */
  SHORT_VIEW: 'shortView',
  THROW_IN_ATTACH: 'throwInAttach',
  THROW_IN_DETACH: 'throwInDetach',
  THROW_IN_PIN: 'throwInPin',
  THROW_IN_UNPIN: 'throwInUnpin',
  THROW_IN_MAP: 'throwInMap',
  THROW_IN_UNMAP: 'throwInUnmap',
  THROW_IN_RELEASE: 'throwInRelease',
} as const
export type Lie = (typeof Lie)[keyof typeof Lie]
