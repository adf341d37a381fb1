// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  ERROR_LOG_ENTRY_BYTES,
  ERROR_LOG_NONE,
  ErrorLogEntry,
  setUint64,
} from '../../spec/index.ts'

/** Entries kept; ELPE says so to the host. */
export const ERROR_LOG_ENTRIES = 64

/** The last errors, in a ring. Lives as long as the controller: a reset does not clear it. @see NVMe Base 2.1, 5.1.12.1.2 */
export class ErrorLog {
  readonly #view: DataView = new DataView(
    new ArrayBuffer(ERROR_LOG_ENTRIES * ERROR_LOG_ENTRY_BYTES),
  )
  #count = 0

  /** Errors logged since the controller was made. */
  get count(): number {
    return this.#count
  }

  /** `sqid` and `cid` are ERROR_LOG_NONE for an error that no command made; `location` says which byte and bit of its entry is wrong. */
  add(
    sqid: number,
    cid: number,
    status: number,
    nsid: number,
    lba: number,
    location: number = ERROR_LOG_NONE,
  ): void {
    const at = (this.#count % ERROR_LOG_ENTRIES) * ERROR_LOG_ENTRY_BYTES
    this.#count++
    const view = this.#view
    setUint64(view, at + ErrorLogEntry.ERROR_COUNT, this.#count)
    view.setUint16(at + ErrorLogEntry.SQID, sqid, true)
    view.setUint16(at + ErrorLogEntry.CID, cid, true)
    view.setUint16(at + ErrorLogEntry.STATUS, (status << 1) & 0xffff, true)
    view.setUint16(at + ErrorLogEntry.PARAMETER_LOCATION, location, true)
    setUint64(view, at + ErrorLogEntry.LBA, lba)
    view.setUint32(at + ErrorLogEntry.NSID, nsid, true)
  }

  /** The log page: newest first, then entries of zeros. */
  page(): Uint8Array {
    const bytes = new Uint8Array(this.#view.byteLength)
    const kept = Math.min(this.#count, ERROR_LOG_ENTRIES)
    for (let i = 0; i < kept; i++) {
      const from = ((this.#count - 1 - i) % ERROR_LOG_ENTRIES) * ERROR_LOG_ENTRY_BYTES
      bytes.set(
        new Uint8Array(this.#view.buffer, from, ERROR_LOG_ENTRY_BYTES),
        i * ERROR_LOG_ENTRY_BYTES,
      )
    }
    return bytes
  }
}
