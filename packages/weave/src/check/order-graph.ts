// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** A class of things that are waited for: locks of one name, fences of one driver, items of work of one name. */
export interface OrderClass {
  readonly name: string
  /** What is waited for while, or only after, this one is held or done. */
  readonly after: Map<OrderClass, string>
}

export function createOrderClass(name: string): OrderClass {
  return { name, after: new Map() }
}

/**
 * Notes that `second` is waited for with `first` in hand. `how` says by whom, in words. Gives the cycle that this closes, as lines of who does
 * what, or null.
 */
export function addOrder(
  first: OrderClass,
  second: OrderClass,
  how: string,
): readonly string[] | null {
  if (first === second || first.after.has(second)) return null
  first.after.set(second, how)
  const back = pathBetween(second, first)
  return back === null ? null : linesOf([first, ...back])
}

/** From `start` to `end`, both included. */
function pathBetween(start: OrderClass, end: OrderClass): OrderClass[] | null {
  if (start.after.size === 0) return null
  const cameFrom = new Map<OrderClass, OrderClass>()
  const queue = [start]
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    if (at === end) return traceBack(cameFrom, start, end)
    for (const next of at.after.keys()) {
      if (next === start || cameFrom.has(next)) continue
      cameFrom.set(next, at)
      queue.push(next)
    }
  }
  return null
}

function traceBack(
  cameFrom: ReadonlyMap<OrderClass, OrderClass>,
  start: OrderClass,
  end: OrderClass,
): OrderClass[] {
  const path = [end]
  for (let at = end; at !== start; ) {
    const before = cameFrom.get(at)
    if (before === undefined) break
    path.unshift(before)
    at = before
  }
  return path
}

function linesOf(cycle: readonly OrderClass[]): readonly string[] {
  return cycle.slice(0, -1).map((from, at) => {
    const to = cycle[at + 1]
    return to === undefined ? from.name : (from.after.get(to) ?? '')
  })
}
