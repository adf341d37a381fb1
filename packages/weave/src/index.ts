// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { Checker } from './check/contracts.ts'
export { faultOf } from './check/errors.ts'
export {
  createGeneralCheckers,
  type GeneralCheckers,
  type GeneralComponents,
  type GeneralInit,
} from './check/general.ts'
export { type LeakProbe, Leaks, type LeaksComponents } from './check/leaks.ts'
export { LockOrder } from './check/lock-order.ts'
export { type BusyRequests, type HolderRequest, requestHolders } from './check/request-holders.ts'
export { Retries, type RetriesInit } from './check/retries.ts'
export { TaskState, type TaskStateComponents } from './check/task-state.ts'
export { UserSpace } from './check/user-space.ts'
export { WaitGraph, type WaitGraphComponents, type WaitKnowledge } from './check/wait-graph.ts'
export { scenarioProgram, type Woven, wovenProgram } from './run/program.ts'
export type { Actors, Design, Race, Scenario } from './run/scenario.ts'
export {
  type MutantVerdict,
  type OursVerdict,
  type Verdict,
  type VerifyInit,
  type VerifyProgress,
  verifyMutant,
  verifyOurs,
  verifyScenario,
} from './run/verify.ts'
export type { Weave } from './run/weave.ts'
export { ActorNames } from './search/actor-names.ts'
export type {
  Fault,
  Pick,
  Program,
  Row,
  RunOptions,
  RunReport,
  WeaveStrategy,
} from './search/contracts.ts'
export { defaultStrategy } from './search/default-strategy.ts'
export {
  type ExhaustInit,
  type ExhaustProgress,
  type ExhaustResult,
  exhaust,
} from './search/exhaustive.ts'
export {
  type ExploreInit,
  type ExploreResult,
  explore,
  type Failure,
  type SearchKind,
} from './search/explore.ts'
export { medianSchedules, schedulesToFirst } from './search/first-failure.ts'
export { type PctInit, pctStrategy } from './search/pct-strategy.ts'
export { randomStrategy, uniformStrategy } from './search/random-strategies.ts'
export { type RecordingStrategy, recordingStrategy } from './search/record.ts'
export { type ScriptStrategy, scriptStrategy } from './search/script-strategy.ts'
export { type ShrinkInit, type Shrunk, shrink, shrinkShortest } from './search/shrink.ts'
export {
  decodeFailure,
  encodeFailure,
  failureFromUrl,
  failureToUrl,
  type WeaveFailure,
  type WovenDesign,
  type WovenPolicy,
} from './show/failure.ts'
export { type LadderInit, ladder } from './show/ladder.ts'
export { toMermaid } from './show/mermaid.ts'
export { SHIVIZ_PARSER, toShiViz } from './show/shiviz.ts'
export type { Told } from './show/story.ts'
export { type BioIo, BioUser, type WovenBuffer } from './stack/bio-user.ts'
export { FoundFault } from './stack/found-fault.ts'
export type { MigratingExporter, MigratingExporterInit } from './stack/migrating-exporter.ts'
export type { PageLedger } from './stack/page-ledger.ts'
export type { DesignParts, Policy, Stack, StackInit } from './stack/stack.ts'
