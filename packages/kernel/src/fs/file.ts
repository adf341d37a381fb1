// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '../kernel.ts'
import type { Op } from '../sched/op.ts'
import { RefCount } from '../sync/refcount.ts'
import type { Ability } from './ability.ts'
import type { PollTable } from './poll.ts'

/** Open flags with the values of x86. @see include/uapi/asm-generic/fcntl.h */
export const OpenFlags = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_ACCMODE: 3,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DSYNC: 0o10000,
  O_DIRECT: 0o40000,
  O_CLOEXEC: 0o2000000,
  O_SYNC: 0o4010000,
} as const

/** What a kind of file can do. @see include/linux/fs.h struct file_operations */
export interface FileOperations {
  /** The last reference is gone. Atomic: what has to sleep goes to a work queue. */
  release(file: File): void
  query?<T>(ability: Ability<T>): T | undefined
  /** Bytes read into `target` from `offset` on, 0 at the end. Throws KernelError. */
  read?(file: File, target: Uint8Array, offset: number, length: number): Op<number>
  llseek?(file: File, offsetBytes: number, whence: number): number
  /**
   * What the file is ready for. Leaves word in `table`, unless that is null, about every queue that wakes up when this changes, before it
   * looks. @see vfs_poll
   */
  poll?(file: File, table: PollTable | null): Op<number>
  showFdinfo?(file: File): string
}

export interface FileInit {
  readonly name: string
  readonly flags: number
}

/** An open file. Made with one reference, which is its maker's. @see include/linux/fs.h struct file */
export class File {
  readonly kernel: Kernel
  readonly ops: FileOperations
  readonly name: string
  flags: number
  posBytes: number
  readonly #references: RefCount

  constructor(kernel: Kernel, ops: FileOperations, init: FileInit) {
    this.kernel = kernel
    this.ops = ops
    this.name = init.name
    this.flags = init.flags
    this.posBytes = 0
    this.#references = new RefCount(1)
  }

  get references(): number {
    return this.#references.read()
  }

  get(): void {
    this.#references.inc()
  }

  /** False when the last reference is already gone. */
  tryGet(): boolean {
    return this.#references.incNotZero()
  }

  put(): void {
    if (this.#references.decAndTest()) this.ops.release(this)
  }

  query<T>(ability: Ability<T>): T | undefined {
    return this.ops.query?.(ability)
  }
}
