// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** What the event-loop scheduler needs from where it runs: Node, a browser, a worker. */
export interface EventLoopHost {
  /** Calls `fn` in a later turn of the event loop, after pending input and output. */
  soon(fn: () => void): void
  /** Calls `fn` after `delayMs`; the result cancels it. */
  after(delayMs: number, fn: () => void): () => void
  /** Whole nanoseconds that never go back. */
  nowNs(): number
  /** Makes the process see `error`, outside of every caller. */
  throwLater(error: unknown): void
}

/** Of the global object, what there may be. */
export interface HostGlobals {
  readonly setImmediate?: (fn: () => void) => unknown
  readonly setTimeout: (fn: () => void, delayMs: number) => unknown
  readonly clearTimeout: (handle: never) => void
  readonly MessageChannel?: new () => { readonly port1: HostPort; readonly port2: HostPort }
  readonly performance: { now(): number }
}

interface HostPort {
  onmessage: (() => void) | null
  postMessage(message: null): void
}

/** The longest delay that a host timer takes; a longer one fires early and is armed again. */
const DELAY_MS_MAX = 0x7fffffff

/** The host that the global object offers. */
export function findEventLoopHost(
  globals: HostGlobals = globalThis as unknown as HostGlobals,
): EventLoopHost {
  return {
    soon: findSoon(globals),
    after(delayMs: number, fn: () => void): () => void {
      const handle = globals.setTimeout(fn, Math.min(delayMs, DELAY_MS_MAX))
      return () => globals.clearTimeout(handle as never)
    },
    nowNs: () => Math.round(globals.performance.now() * 1e6),
    throwLater(error: unknown): void {
      globals.setTimeout(() => {
        throw error
      }, 0)
    },
  }
}

/** The cheapest way to come back soon that does not starve the host's input and output. */
function findSoon(globals: HostGlobals): (fn: () => void) => void {
  const { setImmediate, MessageChannel } = globals
  if (setImmediate !== undefined) {
    return (fn) => {
      setImmediate(fn)
    }
  }
  if (MessageChannel === undefined) {
    return (fn) => {
      globals.setTimeout(fn, 0)
    }
  }
  const { port1, port2 } = new MessageChannel()
  const waiting: (() => void)[] = []
  port1.onmessage = () => waiting.shift()?.()
  return (fn) => {
    waiting.push(fn)
    port2.postMessage(null)
  }
}
