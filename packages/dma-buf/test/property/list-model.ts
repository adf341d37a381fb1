// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** What the program does with an element, and what happens while it runs. */
export interface Verdict {
  /** Asks for the element again; what was written is discarded. */
  readonly retry: boolean
  /** Bytes of the record; 0 skips the element. */
  readonly bytes: number
  /** While the element is current: its users' references go, those of the one after it, or a buffer is exported. */
  readonly meanwhile: 'nothing' | 'drop it' | 'drop the one after' | 'export'
}

/** The record buffer of an open iterator: 8 pages, of which the last byte is never used. */
export const RECORD_BYTES_MAX: number = 8 * 4096 - 1

export class ModelBuffer {
  readonly inode: number
  users = 1

  constructor(inode: number) {
    this.inode = inode
  }
}

/** A record of exactly `bytes` bytes that tells whose it is. */
export function recordOf(inode: number, bytes: number): string {
  return `${inode};`.padEnd(bytes, '.').slice(0, bytes)
}

/**
 * What the requirements say, in plain lists: every buffer that was ever exported, how many users it has, and where each cursor
 * stands. Whatever has a user or a cursor on it is alive.
 */
export class ListModel {
  readonly buffers: ModelBuffer[] = []
  readonly cursors: Set<Cursor> = new Set()

  export(): ModelBuffer {
    const buffer = new ModelBuffer(this.buffers.length + 1)
    this.buffers.push(buffer)
    return buffer
  }

  drop(buffer: ModelBuffer | null): void {
    if (buffer !== null) buffer.users = 0
  }

  standing(buffer: ModelBuffer): number {
    return [...this.cursors].filter((cursor) => cursor.on === buffer).length
  }

  references(buffer: ModelBuffer): number {
    return buffer.users + this.standing(buffer)
  }

  get alive(): ModelBuffer[] {
    return this.buffers.filter((buffer) => this.references(buffer) > 0)
  }

  /** Newest first: the youngest that is alive and older than `than`. */
  older(than: number): ModelBuffer | null {
    return this.alive.findLast((buffer) => buffer.inode < than) ?? null
  }

  openCursor(): Cursor {
    const cursor = new Cursor(this)
    this.cursors.add(cursor)
    return cursor
  }
}

/** One walk, by a file or open-coded. */
export class Cursor {
  on: ModelBuffer | null = null
  readonly model: ListModel
  #begun = false

  constructor(model: ListModel) {
    this.model = model
  }

  /** To the first one; no effect later: a scan begins once. */
  begin(): void {
    if (!this.#begun) this.on = this.model.older(Number.POSITIVE_INFINITY)
    this.#begun = true
  }

  step(): void {
    if (this.on !== null) this.on = this.model.older(this.on.inode)
  }

  close(): void {
    this.model.cursors.delete(this)
  }
}

/** A file that lists: hands out whole records in pieces of any size, and loses none. */
export class ModelReader {
  readonly cursor: Cursor
  held = ''

  constructor(model: ListModel) {
    this.cursor = model.openCursor()
  }

  /** What a read gives: text, empty at the end; or the name of an error, when there is nothing to give. */
  read(sizeBytes: number, verdict: () => Verdict): { text: string; error: string } {
    let error = ''
    if (this.held === '') error = this.#gather(sizeBytes, verdict)
    if (this.held === '' && error !== '') return { text: '', error }
    const text = this.held.slice(0, sizeBytes)
    this.held = this.held.slice(sizeBytes)
    return { text, error: '' }
  }

  /** Whole records until there is enough; stops on the one that is asked for again or finds no room. */
  #gather(sizeBytes: number, verdict: () => Verdict): string {
    const { cursor } = this
    cursor.begin()
    while (cursor.on !== null) {
      const { retry, bytes, meanwhile } = verdict()
      if (meanwhile === 'export') cursor.model.export()
      if (meanwhile === 'drop it') cursor.model.drop(cursor.on)
      if (meanwhile === 'drop the one after') cursor.model.drop(cursor.model.older(cursor.on.inode))
      if (retry) return 'EAGAIN'
      if (this.held.length + bytes > RECORD_BYTES_MAX) return 'E2BIG'
      this.held += recordOf(cursor.on.inode, bytes)
      cursor.step()
      if (this.held.length >= sizeBytes) break
    }
    return ''
  }
}
