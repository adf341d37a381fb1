// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Lets other processes read the iterators of a running copy through a Unix socket. The copy does not wait for any of them: who is
// still reading when it ends is cut off.

import { createServer, type Socket } from 'node:net'
import { joinTask, KernelError, type Op, type Task } from '@iolayers/kernel'
import type { Stack } from '../stack/stack.ts'
import { closeUnix, listenUnix } from './listen-unix.ts'
import { awaitRequest, endWith, frameOf, sendListing } from './observer-client.ts'
import type { IterRequest } from './protocol.ts'

/** Connections at a time; more are told EAGAIN. */
export const CLIENTS_MAX = 64

/** A socket that is listened at. Whoever comes before there is a stack waits for it. */
export interface Observer {
  /** Serves clients from now on. */
  attach(stack: Stack): void
  /** Cuts off everybody who is reading; returns when none of their iterators is open. Nobody is served any more. */
  detach(): Op<void>
  /** Removes the socket, and cuts off everybody. In one piece, so that it can be the last thing that a process does. Idempotent. */
  close(): void
}

/** Errors: those of `listenUnix`. */
export async function createObserver(path: string): Promise<Observer> {
  const clients = new ObserverClients()
  const server = await listenUnix(path, () =>
    createServer({ allowHalfOpen: true }, (socket) => clients.accept(socket)),
  )
  // Accepting fails when the process has no descriptors left, for instance: a matter of who comes, not of the copy.
  server.on('error', () => undefined)
  return {
    attach: (stack) => clients.attach(stack),
    detach: () => clients.detach(),
    close(): void {
      closeUnix(server)
      clients.cutOff()
    },
  }
}

interface Waiting {
  readonly socket: Socket
  readonly request: IterRequest
}

class ObserverClients {
  readonly #sockets = new Set<Socket>()
  readonly #tasks = new Set<Task<void>>()
  #waiting: Waiting[] = []
  #stack: Stack | null = null
  #over = false

  accept(socket: Socket): void {
    // A client that went away is no error of ours; whoever writes to it learns of it.
    socket.on('error', () => undefined)
    if (this.#over || this.#sockets.size >= CLIENTS_MAX) {
      endWith(socket, frameOf(this.#over ? copyIsOver() : tooMany()))
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    awaitRequest(socket, (request) => {
      if (this.#stack === null) this.#waiting.push({ socket, request })
      else this.#serve(this.#stack, { socket, request })
    })
  }

  attach(stack: Stack): void {
    this.#stack = stack
    // What is in flight when somebody looks was sent before: its age is known only if it was noted then.
    for (const { disk } of stack.sides) disk.queue.tagSet?.stampRequests()
    for (const waiting of this.#waiting) this.#serve(stack, waiting)
    this.#waiting = []
  }

  *detach(): Op<void> {
    const stack = this.#stack
    this.cutOff()
    if (stack === null) return
    for (const task of this.#tasks) yield* joinTask(stack.kernel.scheduler, task)
  }

  cutOff(): void {
    this.#over = true
    this.#stack = null
    for (const socket of this.#sockets) socket.destroy()
    this.#waiting = []
  }

  #serve(stack: Stack, { socket, request }: Waiting): void {
    if (socket.destroyed) return
    const { scheduler } = stack.kernel
    const served = function* (clients: ObserverClients): Op<void> {
      yield* sendListing(stack, socket, request)
      clients.#tasks.delete(task)
    }
    const task: Task<void> = scheduler.spawn('observer', served(this), { daemon: true })
    this.#tasks.add(task)
  }
}

function copyIsOver(): KernelError {
  return new KernelError('ESHUTDOWN', 'the copy is over')
}

function tooMany(): KernelError {
  return new KernelError('EAGAIN', `${CLIENTS_MAX} clients are being served; try again`)
}
