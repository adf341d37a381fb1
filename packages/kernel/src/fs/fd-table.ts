// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '../assert.ts'
import { KernelError } from '../kernel-error.ts'
import type { File } from './file.ts'

/**
 * The descriptors of one process. A number is reserved first and made visible last: from `install` on anyone may close it.
 *
 * @see fs/file.c
 */
export interface FdTable {
  /** Descriptors that are open. */
  readonly open: number
  /** The lowest free number. Throws EMFILE. @see fs/file.c get_unused_fd_flags */
  reserve(): number
  /** Takes over the caller's reference. @see fs/file.c fd_install */
  install(fd: number, file: File): void
  /** Gives a reserved number back. @see fs/file.c put_unused_fd */
  putUnused(fd: number): void
  /** The file with a reference for the caller. Throws EBADF. @see fs/file.c fget */
  get(fd: number): File
  /** Throws EBADF. */
  close(fd: number): void
}

const DEFAULT_LIMIT = 1024

export function createFdTable(init: { readonly limit?: number } = {}): FdTable {
  return new Table(init.limit ?? DEFAULT_LIMIT)
}

class Table implements FdTable {
  readonly #limit: number
  /** Absent: free; null: reserved. */
  readonly #slots: Map<number, File | null> = new Map()
  #open = 0
  /** No lower number is free. */
  #next = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get open(): number {
    return this.#open
  }

  reserve(): number {
    for (let fd = this.#next; fd < this.#limit; fd++) {
      if (this.#slots.has(fd)) continue
      this.#slots.set(fd, null)
      this.#next = fd + 1
      return fd
    }
    throw new KernelError('EMFILE', `all ${this.#limit} descriptors are in use`, {
      accepted: `at most ${this.#limit}`,
    })
  }

  install(fd: number, file: File): void {
    assert(this.#slots.get(fd) === null, 'a descriptor was installed that was not reserved')
    this.#slots.set(fd, file)
    this.#open++
  }

  putUnused(fd: number): void {
    assert(this.#slots.get(fd) === null, 'a descriptor was given back that was not reserved')
    this.#free(fd)
  }

  get(fd: number): File {
    const file = this.#find(fd)
    file.get()
    return file
  }

  close(fd: number): void {
    const file = this.#find(fd)
    this.#free(fd)
    this.#open--
    file.put()
  }

  #free(fd: number): void {
    this.#slots.delete(fd)
    if (fd < this.#next) this.#next = fd
  }

  #find(fd: number): File {
    const file = this.#slots.get(fd)
    if (file !== undefined && file !== null) return file
    throw new KernelError('EBADF', `descriptor ${fd} is not open`, { value: fd })
  }
}
