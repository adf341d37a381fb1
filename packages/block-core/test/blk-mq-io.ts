// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Bio, type BioEndIo, BlkStatus, ReqFlags, type ReqOp } from '../src/index.ts'

export interface IoInit {
  readonly op: ReqOp
  readonly flags: number
  readonly sector: number
  readonly blocks: number
  /** Where it is cut into runs of memory, in sectors of 512. */
  readonly runSectors: number
}

/** What the fate of an I/O hangs on. */
export interface IoFate {
  readonly removed: boolean
  /** Requests take longer than they may. */
  readonly isSlow: boolean
  readonly timeoutNs: number
  nowNs(): number
  badSectors(start: number, count: number): number[]
  onEnd(io: TrackedIo, status: BlkStatus): void
}

/** One bio, what may become of it, and what became of it. */
export class TrackedIo implements BioEndIo {
  readonly bio: Bio
  readonly sector: number
  readonly sectors: number
  readonly value: number
  readonly afterRemoval: boolean
  /** Sectors of it that were bad all the time. */
  badAlways: ReadonlySet<number>
  badEver: boolean
  /** Others that were merged with it: the end of one is the end of all. */
  readonly companions: TrackedIo[]
  hung: boolean
  /** When the driver first took a part of it that may time out. */
  takenNs: number
  cancelled: boolean
  aborted: boolean
  ended: boolean
  onOk: () => void
  readonly #fate: IoFate

  constructor(fate: IoFate, init: IoInit, sectors: number, value: number) {
    this.bio = new Bio()
    this.bio.init(init.op | init.flags, init.sector, this)
    this.sector = init.sector
    this.sectors = sectors
    this.value = value
    this.afterRemoval = fate.removed
    this.badAlways = new Set(fate.badSectors(init.sector, sectors))
    this.badEver = this.badAlways.size > 0
    this.companions = []
    this.hung = false
    this.takenNs = Number.POSITIVE_INFINITY
    this.cancelled = false
    this.aborted = false
    this.ended = false
    this.onOk = () => {}
    this.#fate = fate
  }

  bioEndIo(bio: Bio): void {
    if (this.ended) throw new Error('a bio ended twice')
    this.ended = true
    this.#fate.onEnd(this, bio.biStatus)
  }

  /** The bad blocks have changed. */
  updateBad(): void {
    const bad = this.#fate.badSectors(this.sector, this.sectors)
    this.badEver ||= bad.length > 0
    this.badAlways = new Set(bad.filter((sector) => this.badAlways.has(sector)))
  }

  /** The driver took a request of it, together with others. */
  taken(hangs: boolean, mayTimeOut: boolean, companions: readonly TrackedIo[]): void {
    this.hung ||= hangs
    if (mayTimeOut) this.takenNs = Math.min(this.takenNs, this.#fate.nowNs())
    if (companions.length > 1) this.companions.push(...companions)
  }

  /** Why it could not end so; null where it could. */
  wrongStatus(status: BlkStatus): string | null {
    switch (status) {
      case BlkStatus.OK:
        if (this.afterRemoval && this.sectors > 0) return 'the device was gone'
        if (this.badAlways.size > 0) return 'a sector is bad'
        return this.hung ? 'a request of it hung' : null
      case BlkStatus.IOERR:
        if (this.companions.some((other) => other.badEver)) return null
        return this.badEver || this.cancelled || this.#fate.removed ? null : 'nothing is bad'
      case BlkStatus.TIMEOUT:
        if (this.#fate.isSlow || this.aborted) return null
        return this.#fate.nowNs() < this.takenNs + this.#fate.timeoutNs ? 'too early' : null
      case BlkStatus.AGAIN:
        return (this.bio.biOpf & ReqFlags.NOWAIT) !== 0 ? null : 'it may wait'
      default:
        return 'a status of nobody'
    }
  }

  toString(): string {
    return `op 0x${this.bio.biOpf.toString(16)} of ${this.sectors} sectors at ${this.sector}`
  }
}
