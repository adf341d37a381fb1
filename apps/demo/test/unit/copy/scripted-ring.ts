// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type Op } from '@iolayers/kernel'
import type { TransferRing } from '../../../src/copy/transfer.ts'

export interface ScriptedIo {
  readonly write: boolean
  readonly fileIndex: number
  readonly offset: number
  readonly bufferIndex: number
  readonly bufferOffset: number
  readonly length: number
  readonly userData: number
}

/** What an I/O ends with: undefined is all of its bytes. */
export type Script = (io: ScriptedIo, number: number) => number | undefined

/** Two files and one piece of memory: I/Os end in the reverse order of their submission, with what the script says. */
export class ScriptedRing implements TransferRing {
  readonly files: readonly Uint8Array[]
  readonly memory: Uint8Array
  readonly log: ScriptedIo[] = []
  inFlightMax = 0
  readonly #entries: number
  readonly #script: Script
  readonly #started: ScriptedIo[] = []
  readonly #ended: { userData: number; result: number }[] = []
  #prepared = 0

  constructor(init: {
    files: readonly Uint8Array[]
    memoryBytes: number
    entries?: number
    script?: Script
  }) {
    this.files = init.files
    this.memory = new Uint8Array(init.memoryBytes)
    this.#entries = init.entries ?? 64
    this.#script = init.script ?? (() => undefined)
  }

  get idle(): boolean {
    return this.#started.length + this.#ended.length === 0
  }

  getSqe(): number {
    return this.#prepared === this.#entries ? -1 : this.#prepared++
  }

  prepReadFixed(...args: Parameters<TransferRing['prepReadFixed']>): void {
    this.#start(false, args)
  }

  prepWriteFixed(...args: Parameters<TransferRing['prepWriteFixed']>): void {
    this.#start(true, args)
  }

  *submitAndWait(): Op<number> {
    this.#prepared = 0
    this.inFlightMax = Math.max(this.inFlightMax, this.#started.length)
    const submitted = this.#started.length
    // One at a time, the newest first: so that what is ready is seldom what is next.
    const io = this.#started.pop()
    if (io !== undefined) this.#ended.push({ userData: io.userData, result: this.#perform(io) })
    return submitted
  }

  reap(userData: Float64Array | Int32Array, results: Int32Array, max: number): number {
    const ended = this.#ended.splice(0, max)
    ended.forEach((end, i) => {
      userData[i] = end.userData
      results[i] = end.result
    })
    return ended.length
  }

  #start(write: boolean, args: Parameters<TransferRing['prepReadFixed']>): void {
    const [, fileIndex, offset, bufferIndex, bufferOffset, length, userData] = args
    this.#started.push({ write, fileIndex, offset, bufferIndex, bufferOffset, length, userData })
  }

  #perform(io: ScriptedIo): number {
    this.log.push(io)
    const scripted = this.#script(io, this.log.length)
    if (scripted !== undefined) return scripted
    const file = this.files[io.fileIndex]
    if (file === undefined || io.offset + io.length > file.length) return -Errno.EINVAL
    const memory = this.memory.subarray(io.bufferOffset, io.bufferOffset + io.length)
    if (io.write) file.set(memory, io.offset)
    else memory.set(file.subarray(io.offset, io.offset + io.length))
    return io.length
  }
}
