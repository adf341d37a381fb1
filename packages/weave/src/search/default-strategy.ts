// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Candidate } from '@iolayers/kernel'
import type { WeaveStrategy } from './contracts.ts'
import { DefaultPolicy } from './default-policy.ts'

/** The run without any deviation: what a script that is empty runs. */
export function defaultStrategy(): WeaveStrategy {
  return new ByDefault()
}

class ByDefault implements WeaveStrategy {
  readonly #policy: DefaultPolicy = new DefaultPolicy()

  choose(candidates: readonly Candidate[]): number {
    return this.#policy.pick(candidates)
  }

  chooseNested(): number {
    return -1
  }

  stepBegins(): void {}

  stepEnded(item: Candidate): void {
    this.#policy.stepEnded(item)
  }
}
