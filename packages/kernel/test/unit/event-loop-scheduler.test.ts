// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AssertionFailure,
  createEventLoopScheduler,
  DeferredCall,
  type EventLoopHost,
  type EventLoopInit,
  type EventLoopScheduler,
  joinTask,
  type Op,
  sleep,
  Timer,
  WaitQueue,
  yieldNow,
} from '../../src/index.ts'
import { findEventLoopHost, type HostGlobals } from '../../src/sched/event-loop-host.ts'

/** A host whose turns and time pass by hand. */
class HandHost implements EventLoopHost {
  timeNs = 0
  readonly turns: (() => void)[] = []
  readonly timers: { atNs: number; fn: () => void }[] = []
  readonly thrown: unknown[] = []

  soon(fn: () => void): void {
    this.turns.push(fn)
  }
  after(delayMs: number, fn: () => void): () => void {
    const timer = { atNs: this.timeNs + delayMs * 1e6, fn }
    this.timers.push(timer)
    return () => {
      this.timers.splice(this.timers.indexOf(timer), 1)
    }
  }
  nowNs(): number {
    return this.timeNs
  }
  throwLater(error: unknown): void {
    this.thrown.push(error)
  }
  /** One turn; false when none was asked for. */
  turn(): boolean {
    const fn = this.turns.shift()
    fn?.()
    return fn !== undefined
  }
  pass(ms: number): void {
    this.timeNs += ms * 1e6
    for (const timer of this.timers.filter((t) => t.atNs <= this.timeNs)) {
      this.timers.splice(this.timers.indexOf(timer), 1)
      timer.fn()
    }
  }
}

const byHand = (init: EventLoopInit = {}): { host: HandHost; scheduler: EventLoopScheduler } => {
  const host = new HandHost()
  return { host, scheduler: createEventLoopScheduler({ host, ...init }) }
}

describe('the event-loop scheduler', () => {
  it('runs calls and tasks in the order in which they became ready', () => {
    const { host, scheduler } = byHand()
    const log: string[] = []
    function* task(name: string): Op<void> {
      log.push(`${name} ${scheduler.current?.name}`)
      yield* yieldNow(scheduler)
      log.push(`${name} again`)
    }
    scheduler.spawn('t', task('t'))
    scheduler.queue(new DeferredCall('c', () => log.push(`c ${scheduler.current}`)))
    scheduler.spawn('u', task('u'))
    expect(log).toEqual([])
    expect(host.turns).toHaveLength(1)
    expect(scheduler.outstanding()).toEqual([
      'task t is ready',
      'task u is ready',
      'call c is queued',
    ])
    host.turn()
    expect(log).toEqual(['t t', 'c null', 'u u', 't again', 'u again'])
    expect(host.turn()).toBe(false)
    expect(scheduler.outstanding()).toEqual([])
  })

  it('keeps the order of any number of calls, also when its ring has to grow in the middle', () => {
    const { scheduler } = byHand()
    const order: number[] = []
    const expected = Array.from({ length: 3000 }, (_, i) => i)
    let next = 0
    const more = (count: number): void => {
      for (let i = 0; i < count && next < expected.length; i++) {
        const n = next++
        scheduler.queue(
          new DeferredCall(`${n}`, () => {
            order.push(n)
            more(3)
          }),
        )
      }
    }
    more(200)
    scheduler.runUntilIdle()
    expect(order).toEqual(expected)
  })

  it('a batch is bounded, and the host gets its turn in between', () => {
    const { host, scheduler } = byHand({ batch: 4 })
    let calls = 0
    let steps = 0
    const again = new DeferredCall('again', () => {
      if (++calls < 10) scheduler.queue(again)
    })
    function* spins(): Op<void> {
      while (++steps < 10) yield* yieldNow(scheduler)
    }
    scheduler.queue(again)
    scheduler.spawn('spins', spins())
    host.turn()
    // Neither starves the other.
    expect([calls, steps]).toEqual([2, 2])
    let turns = 1
    while (host.turn()) turns++
    expect([calls, steps]).toEqual([10, 10])
    expect(turns).toBe(5)
    expect(() => byHand({ batch: 0 })).toThrow(AssertionFailure)
  })

  it('runUntilIdle runs over all batches, fires due timers, and not from inside', () => {
    const { host, scheduler } = byHand({ batch: 2 })
    let n = 0
    const again = new DeferredCall('again', () => {
      if (++n < 7) scheduler.queue(again)
    })
    scheduler.queue(again)
    scheduler.runUntilIdle()
    expect(n).toBe(7)
    const log: number[] = []
    new Timer(scheduler, 'late', () => log.push(20)).arm(20e6)
    new Timer(scheduler, 'soon', () => log.push(10)).arm(10e6)
    scheduler.runUntilIdle()
    expect(log).toEqual([])
    host.timeNs = 25e6
    scheduler.runUntilIdle()
    expect(log).toEqual([10, 20])
    scheduler.queue(new DeferredCall('c', () => scheduler.runUntilIdle()))
    scheduler.runUntilIdle()
    expect(String(host.thrown)).toContain('from inside the scheduler')
  })

  it('an outside event runs at once, then what became ready; inside, it is queued', () => {
    const { host, scheduler } = byHand()
    const log: string[] = []
    const queue = new WaitQueue(scheduler, 'q')
    let ready = false
    function* waiter(): Op<void> {
      yield* queue.waitEvent(() => ready)
      log.push('woken')
    }
    scheduler.spawn('w', waiter())
    scheduler.runUntilIdle()
    const inner = new DeferredCall('inner', () => log.push('inner'))
    scheduler.external(
      new DeferredCall('event', () => {
        log.push('event')
        scheduler.external(inner)
        ready = true
        queue.wakeUp()
        log.push('event over')
      }),
    )
    expect(log).toEqual(['event', 'event over', 'inner', 'woken'])
    while (host.turn());
    expect(scheduler.outstanding()).toEqual([])
  })

  it('an outside event whose call is queued already runs once', () => {
    const { scheduler } = byHand()
    let runs = 0
    const call = new DeferredCall('c', () => runs++)
    scheduler.queue(call)
    scheduler.queue(call)
    scheduler.external(call)
    scheduler.runUntilIdle()
    expect(runs).toBe(1)
  })

  it('has one host timer, for the first deadline, and none when nothing is armed', () => {
    const { host, scheduler } = byHand()
    const log: string[] = []
    const timer = (name: string): Timer => new Timer(scheduler, name, () => log.push(name))
    const [a, b, c] = [timer('a'), timer('b'), timer('c')]
    a.arm(30e6)
    b.arm(10e6)
    c.arm(20e6)
    expect(host.timers).toHaveLength(1)
    expect(scheduler.outstanding()).toHaveLength(3)
    expect(b.cancel()).toBe(true)
    expect(b.cancel()).toBe(false)
    host.pass(10)
    expect(log).toEqual([])
    host.pass(10)
    expect(log).toEqual(['c'])
    a.arm(5e6)
    host.pass(5)
    expect(log).toEqual(['c', 'a'])
    expect(host.timers).toHaveLength(0)
    a.arm(5e6)
    a.cancel()
    expect(host.timers).toHaveLength(0)
  })

  it('a timer that arms itself at 0 does not keep the host from its turn', () => {
    const { host, scheduler } = byHand()
    let fired = 0
    const timer: Timer = new Timer(scheduler, 't', () => {
      if (++fired < 3) timer.arm(0)
    })
    timer.arm(0)
    host.pass(0)
    expect(fired).toBe(1)
    host.pass(0)
    host.pass(0)
    expect(fired).toBe(3)
    expect(host.timers).toHaveLength(0)
  })

  it('hands unhandled errors to the process, goes on, and says where they came from', () => {
    const { host, scheduler } = byHand()
    let ran = false
    const throws = (text: string) => (): never => {
      throw new Error(text)
    }
    function* fails(): Op<void> {
      yield* yieldNow(scheduler)
      throw new Error('task')
    }
    scheduler.queue(new DeferredCall('c', throws('call')))
    scheduler.spawn('f', fails())
    new Timer(scheduler, 't', throws('timer')).arm(0)
    scheduler.queue(new DeferredCall('after', () => (ran = true)))
    scheduler.runUntilIdle()
    expect(ran).toBe(true)
    expect(host.thrown.map(String)).toEqual(['Error: timer', 'Error: call', 'Error: task'])
    const seen: string[] = []
    const hooked = byHand({ onUnhandled: (_error, source) => seen.push(source) }).scheduler
    hooked.queue(new DeferredCall('c', throws('call')))
    hooked.runUntilIdle()
    expect(seen).toEqual(['call c'])
  })

  it('a task that fails before it is joined is the joiner\u2019s, if the join comes while work is ready', () => {
    const { host, scheduler } = byHand({ batch: 1 })
    function* fails(): Op<never> {
      throw new Error('mine')
    }
    function* parent(): Op<string> {
      const child = scheduler.spawn('child', fails())
      yield* yieldNow(scheduler)
      try {
        return yield* joinTask(scheduler, child)
      } catch (error) {
        return String(error)
      }
    }
    const task = scheduler.spawn('parent', parent())
    scheduler.runUntilIdle()
    expect(task.outcome).toEqual({ ok: true, value: 'Error: mine' })
    expect(host.thrown).toEqual([])
  })

  it('runs on the real host: promise, sleep, rejection', async () => {
    const scheduler = createEventLoopScheduler()
    function* op(): Op<number> {
      const from = scheduler.nowNs()
      yield* sleep(scheduler, 2e6)
      return scheduler.nowNs() - from
    }
    expect(await scheduler.run('sleeps', op())).toBeGreaterThanOrEqual(2e6)
    function* fails(): Op<never> {
      yield* yieldNow(scheduler)
      throw new Error('no')
    }
    await expect(scheduler.run('fails', fails())).rejects.toThrow('no')
    expect(Number.isInteger(scheduler.nowNs())).toBe(true)
    scheduler.choicePoint('nothing')
    expect(scheduler.outstanding()).toEqual([])
  })
})

describe('the host', () => {
  const timers = {
    setTimeout: (fn: () => void, delayMs: number) => setTimeout(fn, delayMs),
    clearTimeout: (handle: never) => clearTimeout(handle),
    performance,
  }
  const soon = (globals: HostGlobals): Promise<void> =>
    new Promise((resolve) => findEventLoopHost(globals).soon(resolve))

  it('comes back with setImmediate, a message channel or a timeout, whichever there is', async () => {
    await soon({ ...timers, setImmediate })
    await soon(timers)
    let posted = 0
    class Channel {
      readonly port1: { onmessage: (() => void) | null; postMessage(): void } = {
        onmessage: null,
        postMessage() {},
      }
      readonly port2 = {
        onmessage: null,
        postMessage: () => {
          posted++
          setImmediate(() => this.port1.onmessage?.())
        },
      }
    }
    const host = findEventLoopHost({ ...timers, MessageChannel: Channel })
    const order: number[] = []
    host.soon(() => order.push(1))
    await new Promise<void>((resolve) =>
      host.soon(() => {
        order.push(2)
        resolve()
      }),
    )
    expect([order, posted]).toEqual([[1, 2], 2])
  })

  it('throws an unhandled error in a turn of its own, and bounds a delay', () => {
    const armed: { fn: () => void; delayMs: number }[] = []
    const host = findEventLoopHost({
      ...timers,
      setTimeout: (fn, delayMs) => armed.push({ fn, delayMs }),
      clearTimeout: () => armed.pop(),
    })
    host.throwLater(new Error('late'))
    expect(() => armed[0]?.fn()).toThrow('late')
    const cancel = host.after(1e12, () => undefined)
    expect(armed[1]?.delayMs).toBe(0x7fffffff)
    cancel()
    expect(armed).toHaveLength(1)
  })
})
