// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  Ability,
  assert,
  Errno,
  type File,
  type FileOperations,
  type Op,
  type PollTable,
} from '@iolayers/kernel'
import type { DmaBuf } from './contracts.ts'
import { DmaBufPoll } from './dma-buf-poll.ts'

/** What the file of a buffer answers, and no other file. */
export const dmaBufFile: Ability<DmaBuf> = new Ability<DmaBuf>('dma-buf')

const SEEK_SET = 0
const SEEK_END = 2

/** @see drivers/dma-buf/dma-buf.c dma_buf_fops */
export class DmaBufFileOps implements FileOperations {
  readonly #dmabuf: DmaBuf
  readonly #poll: DmaBufPoll
  readonly #onRelease: () => void

  constructor(dmabuf: DmaBuf, onRelease: () => void) {
    this.#dmabuf = dmabuf
    this.#poll = new DmaBufPoll(dmabuf)
    this.#onRelease = onRelease
  }

  release(): void {
    assert(!this.#poll.active, 'a dma-buf was released while a poll of it is on a fence')
    this.#onRelease()
  }

  query<T>(ability: Ability<T>): T | undefined {
    return ability.answer(dmaBufFile, this.#dmabuf)
  }

  *poll(file: File, table: PollTable | null): Op<number> {
    return yield* this.#poll.poll(file, table)
  }

  /** Only tells the size: to the end and back to the start. @see dma_buf_llseek */
  llseek(_file: File, offset: number, whence: number): number {
    if (offset !== 0) return -Errno.EINVAL
    if (whence === SEEK_END) return this.#dmabuf.sizeBytes
    return whence === SEEK_SET ? 0 : -Errno.EINVAL
  }

  /** @see dma_buf_show_fdinfo; the count leaves out the reference that the caller holds to ask. */
  showFdinfo(file: File): string {
    const { sizeBytes, exporterName, name } = this.#dmabuf
    const base = `size:\t${sizeBytes}\ncount:\t${file.references - 1}\nexp_name:\t${exporterName}\n`
    return name === '' ? base : `${base}name:\t${name}\n`
  }
}
