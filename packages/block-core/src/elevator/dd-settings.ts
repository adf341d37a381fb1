// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DD_READ, type DdDir } from './dd-prio.ts'
import type { ElevatorHost, IoschedTunables } from './elevator.ts'
import { INT_MAX, makeTunables, type Tunable } from './tunables.ts'

const NS_PER_MS = 1_000_000

/** The settings of mq-deadline with the kernel's defaults. @see block/mq-deadline.c; Documentation/block/deadline-iosched.rst */
export class DdSettings {
  readonly tunables: IoschedTunables
  readExpireNs: number
  writeExpireNs: number
  /** How often reads may go first while there are writes. */
  writesStarved: number
  frontMerges: boolean
  /** Requests of a batch. */
  fifoBatch: number
  prioAgingExpireNs: number
  readonly #host: ElevatorHost
  /** Null: as many as there are. */
  #asyncDepth: number | null

  constructor(host: ElevatorHost) {
    this.#host = host
    this.readExpireNs = 500 * NS_PER_MS
    this.writeExpireNs = 5000 * NS_PER_MS
    this.writesStarved = 2
    this.frontMerges = true
    this.fifoBatch = 16
    this.prioAgingExpireNs = 10_000 * NS_PER_MS
    this.#asyncDepth = null
    this.tunables = makeTunables(this.#table())
  }

  /** Tags that a submitter may have and still get one for what is no read. */
  get asyncDepth(): number {
    return this.#asyncDepth ?? this.#host.nrRequests
  }

  fifoExpireNs(dir: DdDir): number {
    return dir === DD_READ ? this.readExpireNs : this.writeExpireNs
  }

  #table(): ReadonlyMap<string, Tunable> {
    return new Map<string, Tunable>([
      ['read_expire', this.#ms('readExpireNs')],
      ['write_expire', this.#ms('writeExpireNs')],
      ['writes_starved', this.#int('writesStarved', -INT_MAX - 1)],
      ['front_merges', this.#frontMergesTunable()],
      ['fifo_batch', this.#int('fifoBatch', 0)],
      ['prio_aging_expire', this.#ms('prioAgingExpireNs')],
      ['async_depth', this.#asyncDepthTunable()],
    ])
  }

  #ms(field: 'readExpireNs' | 'writeExpireNs' | 'prioAgingExpireNs'): Tunable {
    return {
      min: 0,
      max: INT_MAX,
      get: () => this[field] / NS_PER_MS,
      set: (value) => {
        this[field] = value * NS_PER_MS
      },
    }
  }

  #int(field: 'writesStarved' | 'fifoBatch', min: number): Tunable {
    return {
      min,
      max: INT_MAX,
      get: () => this[field],
      set: (value) => {
        this[field] = value
      },
    }
  }

  #frontMergesTunable(): Tunable {
    return {
      min: 0,
      max: 1,
      get: () => (this.frontMerges ? 1 : 0),
      set: (value) => {
        this.frontMerges = value === 1
      },
    }
  }

  #asyncDepthTunable(): Tunable {
    return {
      min: 1,
      max: INT_MAX,
      get: () => this.asyncDepth,
      set: (value) => {
        this.#asyncDepth = value
      },
    }
  }
}
