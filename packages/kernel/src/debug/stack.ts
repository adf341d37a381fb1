// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

const FRAMES_MAX = 8

/** A frame of V8 or of SpiderMonkey and JavaScriptCore; what else stands in a stack is its heading. */
const FRAME = /^\s*at |@/

/** What says nothing about the code under test: the runtime, tools that run it, and the step from one generator into another. */
const FOREIGN =
  /node:internal|\.next \(<anonymous>\)|\/node_modules\/(?!.*\/node_modules\/)(?!@iolayers\/)/

/**
 * Where the running code stands, kept for a report of checked mode. Taking one is cheap: the text is only made when it is asked for.
 *
 * @see kernel/stacktrace.c stack_trace_save
 */
export class StackTrace {
  readonly #error: Error
  readonly #skip: number

  /** `skip`: how many innermost callers are the checker's own, and left out. */
  constructor(skip: number) {
    this.#skip = skip
    this.#error = new Error('stack')
  }

  /** One frame a line, innermost first, each indented by four spaces; without frames of the runtime and of tools. */
  format(): string {
    const lines = (this.#error.stack ?? '').split('\n').filter((line) => FRAME.test(line))
    // The first frame is the constructor's.
    const frames = lines.slice(this.#skip + 1).filter((line) => !FOREIGN.test(line))
    if (frames.length === 0) return '    (no frames)'
    return frames
      .slice(0, FRAMES_MAX)
      .map((line) => `    ${line.trim()}`)
      .join('\n')
  }
}

/** Text of a stack that may not have been kept. */
export function formatStack(stack: StackTrace | null): string {
  return stack === null ? '    (stacks are not kept)' : stack.format()
}
