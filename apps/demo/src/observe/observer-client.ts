// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Socket } from 'node:net'
import { DeferredCall, KernelError, type Op, type Scheduler, WaitQueue } from '@iolayers/kernel'
import { readIter } from '../iter/read-to-end.ts'
import type { Stack } from '../stack/stack.ts'
import { LineReader } from './line-reader.ts'
import {
  dataHead,
  END_FRAME,
  errorFrame,
  type IterRequest,
  parseRequest,
  REQUEST_BYTES_MAX,
} from './protocol.ts'

/** A client that has not said what it wants by then is let go. */
const REQUEST_TIMEOUT_MS = 10_000

/**
 * Reads the request line of a connection, and nothing but that: what comes after it is dropped. `onRequest` is called at most once;
 * a request that is wrong or does not come is answered here.
 */
export function awaitRequest(socket: Socket, onRequest: (request: IterRequest) => void): void {
  const reader = new LineReader()
  let open = true
  const settle = (act: () => void): void => {
    if (!open) return
    open = false
    clearTimeout(timer)
    socket.off('data', onData)
    socket.resume()
    act()
  }
  const fail = (error: unknown): void => settle(() => endWith(socket, frameOf(error)))
  const timer = setTimeout(() => {
    fail(new KernelError('ETIMEDOUT', `no request came within ${REQUEST_TIMEOUT_MS} ms`))
  }, REQUEST_TIMEOUT_MS)
  const onData = (chunk: Uint8Array): void => {
    reader.push(chunk)
    try {
      const request = takeRequest(reader)
      if (request !== undefined) settle(() => onRequest(request))
    } catch (error) {
      fail(error)
    }
  }
  socket.on('data', onData)
  socket.once('end', () => fail(new KernelError('EINVAL', 'the request ended before its line did')))
  socket.once('close', () => settle(() => undefined))
}

function takeRequest(reader: LineReader): IterRequest | undefined {
  const held = reader.heldBytes
  const line = reader.line()
  const length = line === undefined ? held : Buffer.byteLength(line)
  if (length > REQUEST_BYTES_MAX) {
    throw new KernelError('EMSGSIZE', `the request is longer than ${REQUEST_BYTES_MAX} bytes`)
  }
  return line === undefined ? undefined : parseRequest(line)
}

/** Says the last words, and closes once the client has them: also one that does not close by itself. */
export function endWith(socket: Socket, frame: string): void {
  socket.end(frame)
  socket.destroySoon()
}

export function frameOf(error: unknown): string {
  if (error instanceof KernelError) return errorFrame(error.code, error.message)
  return errorFrame('EFAULT', `a fault in iolayers itself: ${String(error)}`)
}

/**
 * Sends one listing. The next read of the iterator is made when the system has taken the bytes of the last: a client that reads slowly
 * costs one read's bytes and the iterator's own buffer. Ends when the listing does or the client goes; throws nothing.
 */
export function* sendListing(stack: Stack, socket: Socket, request: IterRequest): Op<void> {
  const { scheduler } = stack.kernel
  try {
    const file = stack.iters[request.iter].open(request.format)
    try {
      const target = new Uint8Array(request.readSizeBytes)
      const pipe = new SocketPipe(scheduler, socket)
      for (;;) {
        const bytes = yield* readIter(file, target)
        if (bytes === 0) break
        if (!(yield* pipe.send(target, bytes))) return
      }
    } finally {
      file.put()
    }
    endWith(socket, END_FRAME)
  } catch (error) {
    endWith(socket, frameOf(error))
  }
}

/** Writes to a socket, one frame at a time. */
class SocketPipe {
  readonly #socket: Socket
  readonly #settled: WaitQueue
  readonly #onSettled: DeferredCall
  readonly #scheduler: Scheduler
  #pending: boolean

  constructor(scheduler: Scheduler, socket: Socket) {
    this.#scheduler = scheduler
    this.#socket = socket
    this.#settled = new WaitQueue(scheduler, 'observer: the client took what was sent')
    this.#onSettled = new DeferredCall('observer: sent', () => {
      this.#pending = false
      this.#settled.wakeUp()
    })
    this.#pending = false
  }

  /** False when the client is gone. */
  *send(bytes: Uint8Array, length: number): Op<boolean> {
    if (this.#socket.destroyed) return false
    this.#pending = true
    const frame = Buffer.concat([Buffer.from(dataHead(length)), bytes.subarray(0, length)])
    this.#socket.write(frame, () => this.#scheduler.external(this.#onSettled))
    yield* this.#settled.waitEvent(() => !this.#pending)
    return !this.#socket.destroyed
  }
}
