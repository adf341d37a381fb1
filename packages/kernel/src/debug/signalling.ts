// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Which code a fence depends on before it signals. Memory reclaim may wait for any fence, with any reservation lock held; so from where a
// fence can be seen to where it signals nothing may allocate memory that reclaim would have to find, take a reservation lock, or wait for a fence.
//
// The kernel teaches lockdep a made-up lock for it, and hears of every order in which locks were ever nested. This is the plain half: what is
// really done inside a section, by the context that opened it.

import { assert } from '../assert.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import type { Task } from '../sched/task.ts'
import { formatStack, StackTrace } from './stack.ts'

/** One open section; to be handed back to `end`. */
export interface SignallingCookie {
  readonly name: string
}

/**
 * Sections of code that fences depend on, and the three things that may not happen in them. Without checked mode everything here does nothing,
 * and costs a call.
 *
 * @see drivers/dma-buf/dma-fence.c dma_fence_begin_signalling
 */
export interface Signalling {
  /**
   * From here on some fence depends on the running context: the running task, over its waits too, or the atomic context. Nests. To be ended in a
   * `finally`, by the same context.
   *
   * @see dma_fence_begin_signalling
   */
  begin(name: string): SignallingCookie
  /** Ends the section that was begun last in this context. @see dma_fence_end_signalling */
  end(cookie: SignallingCookie): void
  /** Memory may be allocated here, and reclaimed for it. @see include/linux/sched/mm.h might_alloc */
  mightAlloc(what: string): void
  /** A lock may be taken here under which fences are waited for: a reservation lock. @see drivers/dma-buf/dma-resv.c dma_resv_lockdep */
  mightLock(what: string): void
  /** A fence may be waited for here. @see drivers/dma-buf/dma-fence.c __dma_fence_might_wait */
  mightWait(what: string): void
  /** The name of the innermost section that `task` has open, or with null the atomic context; null when there is none. */
  openIn(task: Task | null): string | null
  /** A moment in the order of things: larger than every stamp before it; always 0 without checked mode. */
  stamp(): number
}

interface SignallingComponents {
  readonly scheduler: Scheduler
  /** Sections remember where they were begun. */
  readonly stackTraces: boolean
  report(report: { readonly check: string; readonly message: string }): void
}

const idleCookie: SignallingCookie = Object.freeze({ name: 'unchecked' })

const idle: Signalling = Object.freeze({
  begin: () => idleCookie,
  end: () => {},
  mightAlloc: () => {},
  mightLock: () => {},
  mightWait: () => {},
  openIn: () => null,
  stamp: () => 0,
})

class Section implements SignallingCookie {
  readonly name: string
  readonly outer: Section | null
  readonly begunAt: StackTrace | null

  constructor(name: string, outer: Section | null, begunAt: StackTrace | null) {
    this.name = name
    this.outer = outer
    this.begunAt = begunAt
  }
}

class CheckedSignalling implements Signalling {
  readonly #components: SignallingComponents
  readonly #ofTasks: WeakMap<Task, Section> = new WeakMap()
  #atomic: Section | null = null
  #lastStamp = 0

  constructor(components: SignallingComponents) {
    this.#components = components
  }

  begin(name: string): SignallingCookie {
    const begunAt = this.#components.stackTraces ? new StackTrace(1) : null
    const section = new Section(name, this.#innermost(), begunAt)
    this.#setInnermost(section)
    return section
  }

  end(cookie: SignallingCookie): void {
    const innermost = this.#innermost()
    assert(
      innermost !== null && innermost === cookie,
      'a signalling section ends that is not the innermost of the running context',
    )
    this.#setInnermost(innermost.outer)
  }

  mightAlloc(what: string): void {
    this.#refuse('memory is allocated', what)
  }

  mightLock(what: string): void {
    this.#refuse('a lock is taken under which fences are waited for', what)
  }

  mightWait(what: string): void {
    this.#refuse('a fence is waited for', what)
  }

  openIn(task: Task | null): string | null {
    return (task === null ? this.#atomic : this.#ofTasks.get(task))?.name ?? null
  }

  stamp(): number {
    return ++this.#lastStamp
  }

  #innermost(): Section | null {
    const task = this.#components.scheduler.current
    return task === null ? this.#atomic : (this.#ofTasks.get(task) ?? null)
  }

  #setInnermost(section: Section | null): void {
    const task = this.#components.scheduler.current
    if (task === null) this.#atomic = section
    else if (section === null) this.#ofTasks.delete(task)
    else this.#ofTasks.set(task, section)
  }

  /** Called by what stands in the interface only: the first two callers are left out of the stack. */
  #refuse(offence: string, what: string): void {
    const section = this.#innermost()
    if (section === null) return
    const here = new StackTrace(2)
    this.#components.report({
      check: 'dma-fence',
      message: [
        `${offence} (${what}) where a fence depends on this context (${section.name})`,
        `  ${what} at:`,
        here.format(),
        `  ${section.name} begun at:`,
        formatStack(section.begunAt),
      ].join('\n'),
    })
  }
}

/** The sections of one kernel; only `checked` makes them do anything. */
export function createSignalling(components: SignallingComponents, checked: boolean): Signalling {
  return checked ? new CheckedSignalling(components) : idle
}
