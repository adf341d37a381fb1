// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scheduler } from '../sched/scheduler.ts'

export type TraceValue = number | string

export interface TraceEvent {
  /** Counts from 1 over all points of one tracer. */
  readonly seq: number
  readonly timeNs: number
  /** Name of the running task; empty in an interrupt. */
  readonly task: string
  readonly point: string
  readonly fields: readonly string[]
  readonly values: readonly TraceValue[]
}

export type TraceSink = (event: TraceEvent) => void

/**
 * A place in the code that can tell what happens there. Off, it costs the test of `enabled`, which the caller makes.
 *
 * @see include/linux/tracepoint.h
 */
export class Tracepoint {
  readonly name: string
  readonly fields: readonly string[]
  /** Somebody listens. */
  enabled = false
  readonly sinks: TraceSink[] = []
  readonly #source: TraceSource

  constructor(name: string, fields: readonly string[], source: TraceSource) {
    this.name = name
    this.fields = fields
    this.#source = source
  }

  /** Values in the order of `fields`. What a sink throws does not reach the code that is traced. */
  emit(...values: readonly TraceValue[]): void {
    if (!this.enabled) return
    const event = { ...this.#source.begin(), point: this.name, fields: this.fields, values }
    for (const sink of [...this.sinks]) {
      try {
        sink(event)
      } catch (error) {
        this.#source.raise(error, `a sink of tracepoint ${this.name}`)
      }
    }
  }
}

/** What a point needs of the tracer that made it. */
interface TraceSource {
  begin(): Pick<TraceEvent, 'seq' | 'timeNs' | 'task'>
  raise(error: unknown, source: string): void
}

export interface Tracer {
  /** A point of this name; asking twice gives the same one. */
  point(name: string, fields: readonly string[]): Tracepoint
  /** Listens to the points that `filter` takes, later ones included, until the answer is called. */
  subscribe(filter: (name: string) => boolean, sink: TraceSink): () => void
}

interface Subscription {
  readonly filter: (name: string) => boolean
  readonly sink: TraceSink
}

export function createTracer(components: { readonly scheduler: Scheduler }): Tracer {
  const { scheduler } = components
  const points = new Map<string, Tracepoint>()
  const subscriptions = new Set<Subscription>()
  let seq = 0
  const source: TraceSource = {
    begin() {
      seq++
      return { seq, timeNs: scheduler.nowNs(), task: scheduler.current?.name ?? '' }
    },
    raise: (error, where) => scheduler.raise(error, where),
  }
  const connect = (point: Tracepoint, { filter, sink }: Subscription): void => {
    if (!filter(point.name)) return
    point.sinks.push(sink)
    point.enabled = true
  }
  return {
    point(name, fields) {
      const known = points.get(name)
      if (known !== undefined) return known
      const point = new Tracepoint(name, fields, source)
      points.set(name, point)
      for (const subscription of subscriptions) connect(point, subscription)
      return point
    },
    subscribe(filter, sink) {
      const subscription: Subscription = { filter, sink }
      subscriptions.add(subscription)
      for (const point of points.values()) connect(point, subscription)
      return () => {
        if (!subscriptions.delete(subscription)) return
        for (const point of points.values()) {
          const index = point.sinks.indexOf(sink)
          if (index >= 0) point.sinks.splice(index, 1)
          point.enabled = point.sinks.length > 0
        }
      }
    },
  }
}
