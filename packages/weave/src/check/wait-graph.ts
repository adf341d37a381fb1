// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Who waits for whom: tasks, locks, fences, work items. A cycle is a deadlock; a wait without one that nobody ends is a lost wake-up or a
// lost completion. It is looked at while the run goes on only where a task parks on something that has an owner, and in
// full only when nothing can run any more.

import type { Blocker, Candidate, Task, VirtualScheduler } from '@iolayers/kernel'
import type { Fault } from '../search/contracts.ts'
import type { Checker } from './contracts.ts'
import { UserSpace } from './user-space.ts'
import { keeperOf, runOn, whoWouldEnd } from './what-if.ts'

/** Who has to get on before `subject`, which somebody waits for, can, besides those that it names itself. */
export type WaitKnowledge = (subject: object) => readonly Blocker[]

export interface WaitGraphComponents {
  readonly scheduler: VirtualScheduler
  /** Where user tasks are that need not come back. */
  readonly userSpace?: UserSpace
  /** What a stack knows of what it is made of: who else has to get on before something can. */
  readonly known?: WaitKnowledge
}

/** Deadlocks, waits that nobody ends, and waits that only a user task could end. */
export class WaitGraph implements Checker {
  readonly name = 'waits'
  readonly #scheduler: VirtualScheduler
  readonly #userSpace: UserSpace | null
  readonly #allEdges: Edges
  #over = false

  constructor(components: WaitGraphComponents) {
    this.#scheduler = components.scheduler
    this.#userSpace = components.userSpace ?? null
    const { known } = components
    this.#allEdges =
      known === undefined ? allEdges : (node) => [...allEdges(node), ...ask(known, node)]
  }

  /** The run was carried on to find out why it ended: what anybody finds from here on does not count. */
  get over(): boolean {
    return this.#over
  }

  /** A cycle that no signal and no timeout can open is found as it closes, whatever else goes on. */
  afterStep(item: Candidate): Fault | null {
    if (item.kind !== 'task' || item.state !== 'parked' || !leadsOn(item)) return null
    const cycle = findCycle(item, certainEdges)
    return cycle === null ? null : deadlock(cycle)
  }

  /** Why those who still wait do so. To be asked when nothing can run, and when a run takes too many steps; null when nobody waits. */
  atEnd(): Fault | null {
    const waiting = this.#waiting()
    if (waiting.length === 0) return null
    const fault = explain(waiting, this.#allEdges)
    if (fault.check !== 'stuck') return fault
    this.#over = true
    const users = this.#userSpace?.tasks ?? []
    if (users.length > 0 && this.#userWouldHelp()) return userDependency(fault, users)
    return this.#inferred() ?? fault
  }

  /** A cycle that no edge tells of, found by trying. The run is over: it may be changed to find out. */
  #inferred(): Fault | null {
    const parked = [...this.#scheduler.liveTasks].filter((task) => task.state === 'parked')
    const open = parked.filter(
      ({ waitingFor }) =>
        waitingFor !== null && waitingFor.idle !== true && this.#allEdges(waitingFor).length === 0,
    )
    const keptBy = (holder: Task): Task[] => parked.filter((task) => keeperOf(task) === holder)
    // One try is all that there is: who keeps others from a lock, else who waits for better or worse.
    const suspect =
      open.find((task) => keptBy(task).length > 0) ??
      open.find((task) => !task.interruptible) ??
      open[0]
    if (suspect === undefined) return null
    const kept = keptBy(suspect)
    const own = lineOf(chainOf(suspect, allEdges))
    const others = kept.map((task) => lineOf(chainOf(task, allEdges)))
    const ender = whoWouldEnd(this.#scheduler, suspect, kept)
    if (ender === null) return null
    const through = ender === suspect ? [] : [typeof ender === 'string' ? ender : ender.name]
    const by = ender === suspect ? 'it would end itself, did it get on' : `${through[0]} would end`
    return {
      check: 'deadlock',
      message: `a cycle of waiting: ${[suspect.name, ...through, suspect.name].join(' -> ')}`,
      details: [`${own}, which ${by}`, ...others],
    }
  }

  #waiting(): Task[] {
    return [...this.#scheduler.liveTasks].filter((task) => !task.daemon && task.state === 'parked')
  }

  /** Whether everybody gets on once the user tasks enter the kernel. The run is over: it may go on for that. */
  #userWouldHelp(): boolean {
    this.#userSpace?.enterAll()
    runOn(this.#scheduler)
    return this.#waiting().length === 0
  }
}

/** Any of it may be a daemon: `waiting` are those who are not. */
function explain(waiting: readonly Task[], edges: Edges): Fault {
  for (const task of waiting) {
    const cycle = findCycle(task, edges)
    if (cycle !== null) return deadlock(cycle)
  }
  for (const task of waiting) {
    const chain = chainOf(task, edges)
    const last = chain.at(-1)
    if (!(last instanceof UserSpace)) continue
    return {
      check: 'user-dependency',
      message: 'a wait that only a user task could end, which need not enter the kernel',
      details: linesOf(chain),
    }
  }
  return {
    check: 'stuck',
    message: `a wait that nobody ends: ${lineOf(chainOf(waiting[0], edges))}`,
    details: [...new Set(waiting.flatMap((task) => linesOf(chainOf(task, edges))))],
  }
}

function userDependency(fault: Fault, users: readonly Task[]): Fault {
  return {
    check: 'user-dependency',
    message: 'a wait that only a user task could end, which need not enter the kernel',
    details: [
      ...(fault.details ?? []),
      ...users.map((task) => `${task.name} is in user space, from which it need not come back`),
    ],
  }
}

function deadlock(cycle: readonly Blocker[]): Fault {
  const actors = cycle.filter(isTask).map((task) => task.name)
  return {
    check: 'deadlock',
    message: `a cycle of waiting: ${[...actors, actors[0] ?? ''].join(' -> ')}`,
    details: linesOf([...cycle, ...cycle.slice(0, 1)]),
  }
}

/** Longer chains of tasks are looked at in full. */
const CHAIN_MAX = 16

/** Whether the locks that `task` waits for lead back to it, or to what may: most often they do not. */
function leadsOn(task: Task): boolean {
  let at = task
  for (let seen = 0; at.state === 'parked' && at.waitingFor !== null; seen++) {
    const park = at.waitingFor
    const owner = park.owner?.() ?? null
    if (owner === null) return (park.blockers?.() ?? NONE).length > 0
    // A cycle that it only leads into counts too: it may be one of those that nothing opens.
    if (owner === task || seen === CHAIN_MAX) return true
    at = owner
  }
  return false
}

type Edges = (node: Blocker) => readonly Blocker[]

const NONE: readonly Blocker[] = []

/** All that may be in the way of `node`. */
function allEdges(node: Blocker): readonly Blocker[] {
  if (typeof node === 'string') return NONE
  if (isTask(node)) return waitOf(node)
  const owner = node.owner?.() ?? null
  return owner === null ? (node.blockers?.() ?? NONE) : [owner]
}

function ask(known: WaitKnowledge, node: Blocker): readonly Blocker[] {
  return typeof node === 'string' || isTask(node) ? NONE : known(node.subject ?? node)
}

/** What has to get on before `node` can, and no signal, timeout or other way round that. */
function certainEdges(node: Blocker): readonly Blocker[] {
  if (isTask(node)) {
    const opens = node.interruptible || node.timer?.pending === true
    return opens ? NONE : waitOf(node)
  }
  const edges = allEdges(node)
  return edges.length > 1 && typeof node !== 'string' && node.anyOf === true ? NONE : edges
}

function waitOf(task: Task): readonly Blocker[] {
  return task.state === 'parked' && task.waitingFor !== null ? [task.waitingFor] : NONE
}

/** A cycle that can be reached from `start`, beginning with a task where it has one. */
function findCycle(start: Blocker, edges: Edges): readonly Blocker[] | null {
  const done = new Set<Blocker>()
  const path: Blocker[] = []
  const visit = (node: Blocker): readonly Blocker[] | null => {
    if (typeof node === 'string' || done.has(node)) return null
    const at = path.indexOf(node)
    if (at >= 0) return fromTask(path.slice(at))
    path.push(node)
    for (const next of edges(node)) {
      const cycle = visit(next)
      if (cycle !== null) return cycle
    }
    path.pop()
    done.add(node)
    return null
  }
  return visit(start)
}

/** The same cycle begins with the same task, from wherever it was found. */
function fromTask(cycle: readonly Blocker[]): readonly Blocker[] {
  const [first] = cycle.filter(isTask).toSorted((a, b) => a.id - b.id)
  if (first === undefined) return cycle
  const at = cycle.indexOf(first)
  return [...cycle.slice(at), ...cycle.slice(0, at)]
}

/** From a task to where the trace of its wait ends; there is no cycle. The longest way is the one that says most. */
function chainOf(start: Blocker | undefined, edges: Edges): readonly Blocker[] {
  if (start === undefined) return NONE
  let longest: readonly Blocker[] = NONE
  for (const next of edges(start)) {
    const chain = chainOf(next, edges)
    if (chain.at(-1) instanceof UserSpace) return [start, ...chain]
    if (chain.length > longest.length) longest = chain
  }
  return [start, ...longest]
}

/** A line for each task of a chain that waits. */
function linesOf(chain: readonly Blocker[]): string[] {
  const lines: string[] = []
  for (let at = 0; at < chain.length - 1; at++) {
    const node = chain[at]
    if (node !== undefined && isTask(node)) lines.push(lineOf(chain.slice(at)))
  }
  return lines
}

/** From the task that `chain` begins with to the next one. */
function lineOf(chain: readonly Blocker[]): string {
  const [first, wait, ...needs] = chain
  if (first === undefined || !isTask(first) || wait === undefined) return ''
  let line = `${first.name} waits for ${describe(wait)}`
  if (isTask(wait)) return line
  let last: Blocker = wait
  for (const node of needs) {
    if (isTask(node)) return `${line}${byWhom(last)} ${node.name}`
    line += typeof node === 'string' ? `, ${node}` : `, which needs ${node.what}`
    last = node
  }
  return line
}

function describe(node: Blocker): string {
  return typeof node === 'string' ? node : node.what
}

function byWhom(node: Blocker): string {
  if (typeof node === 'string') return ', by'
  return node.owner === undefined ? ', done by' : ', held by'
}

function isTask(node: Blocker): node is Task {
  return typeof node !== 'string' && 'kind' in node && node.kind === 'task'
}
