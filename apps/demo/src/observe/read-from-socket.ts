// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { KernelError } from '@iolayers/kernel'
import { isSystemError } from '../cli/failure.ts'
import { LineReader } from './line-reader.ts'
import { checkLength } from './listen-unix.ts'
import { formatRequest, type IterRequest, parseFrameHead } from './protocol.ts'

/** Longest line of an answer: an error's. */
const LINE_BYTES_MAX = 65_536

/**
 * Reads an iterator of a running copy to its end, and hands on its bytes as they come; the next are read when `onBytes` is done.
 *
 * Errors: ENOENT, ENOTSOCK and ECONNREFUSED where nothing listens, EACCES for a socket of somebody else, ECONNRESET when the copy ended first,
 * EPROTO for an answer of something else, and what the copy answers.
 */
export async function readFromSocket(
  path: string,
  request: IterRequest,
  onBytes: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  checkLength(path)
  checkSocket(path)
  const socket = connect({ path })
  socket.write(formatRequest(request))
  try {
    const answer = new AnswerReader(onBytes)
    for await (const chunk of socket as AsyncIterable<Uint8Array>) {
      if (await answer.take(chunk)) return
    }
  } catch (error) {
    throw explain(error, path)
  } finally {
    hangUp(socket)
  }
  throw endedEarly(path)
}

function hangUp(socket: Socket): void {
  // What comes of a connection that we are done with does not matter any more.
  socket.on('error', () => undefined)
  socket.destroy()
}

class AnswerReader {
  readonly #reader: LineReader = new LineReader()
  readonly #onBytes: (bytes: Uint8Array) => Promise<void>
  /** Bytes that are still to come of a `data` frame. */
  #due = 0

  constructor(onBytes: (bytes: Uint8Array) => Promise<void>) {
    this.#onBytes = onBytes
  }

  /** True at the end of the listing. */
  async take(chunk: Uint8Array): Promise<boolean> {
    this.#reader.push(chunk)
    for (;;) {
      if (this.#due > 0) {
        const bytes = this.#reader.bytes(this.#due)
        if (bytes.length === 0) return false
        this.#due -= bytes.length
        await this.#onBytes(bytes)
        continue
      }
      const line = this.#reader.line()
      if (line === undefined) {
        this.#checkLine()
        return false
      }
      const head = parseFrameHead(line)
      if (head === 'end') return true
      this.#due = head
    }
  }

  #checkLine(): void {
    if (this.#reader.heldBytes <= LINE_BYTES_MAX) return
    throw new KernelError('EPROTO', `a line of the answer is longer than ${LINE_BYTES_MAX} bytes`)
  }
}

function checkSocket(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) {
    throw new KernelError(
      'ENOENT',
      `nothing listens at ${path}: there is no such socket; iolayers copy SRC DST --observe ${path} makes one`,
    )
  }
  if (!stats.isSocket()) throw new KernelError('ENOTSOCK', `${path} is not a socket`)
}

function explain(error: unknown, path: string): unknown {
  if (!isSystemError(error)) return error
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new KernelError(
        'ECONNREFUSED',
        `nothing listens at ${path}: the copy that made it has ended`,
        { cause: error },
      )
    case 'EACCES':
      return new KernelError('EACCES', `the socket ${path} is another user's`, { cause: error })
    case 'EPIPE':
    case 'ECONNRESET':
      return endedEarly(path)
    default:
      return error
  }
}

function endedEarly(path: string): KernelError {
  return new KernelError('ECONNRESET', `the copy at ${path} ended before the listing did`)
}
