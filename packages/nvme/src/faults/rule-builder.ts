// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type {
  BeforeFault,
  CommandMatch,
  CompletionFault,
  DataFault,
  FaultRuleData,
  MediaFault,
  PowerFault,
} from './rule-data.ts'

/** A rule in the making: which commands, then point by point what goes wrong. What it makes is {@link FaultRuleData}. */
export class RuleBuilder {
  readonly #data: FaultRuleData

  constructor(data: FaultRuleData) {
    this.#data = data
  }

  /** Fetched, and not begun. */
  before(fault: BeforeFault): RuleBuilder {
    return new RuleBuilder({ ...this.#data, before: { ...this.#data.before, ...fault } })
  }

  /** Its data, on the way between host and controller. */
  data(fault: DataFault): RuleBuilder {
    return new RuleBuilder({ ...this.#data, data: fault })
  }

  /** At the store of its namespace. */
  media(fault: MediaFault): RuleBuilder {
    return new RuleBuilder({ ...this.#data, media: { ...this.#data.media, ...fault } })
  }

  /** Done, and to be told. */
  completion(fault: CompletionFault): RuleBuilder {
    return new RuleBuilder({ ...this.#data, completion: { ...this.#data.completion, ...fault } })
  }

  /** The whole controller, with the command in its hands. */
  power(event: PowerFault['event'], init: { readonly after?: boolean } = {}): RuleBuilder {
    return new RuleBuilder({ ...this.#data, power: { event, ...init } })
  }

  toJSON(): FaultRuleData {
    return this.#data
  }
}

/** Begins a rule for these commands; without a match, for all I/O commands. */
export function when(match: CommandMatch = {}): RuleBuilder {
  return new RuleBuilder({ match })
}

export function toRule(rule: FaultRuleData | RuleBuilder): FaultRuleData {
  return rule instanceof RuleBuilder ? rule.toJSON() : rule
}
