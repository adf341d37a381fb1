// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Device, PAGE_SIZE } from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'
import type { DmaBuf } from '../buf/contracts.ts'
import { CopyEngine } from '../device-memory/copy-engine.ts'
import { exportBacking } from '../heap/export-backing.ts'
import type { DmaHeapComponents } from '../heap/heap-contract.ts'
import { allocPageBacking } from '../heap/heap-pages.ts'
import type { Lie } from './lies.ts'
import { LyingBuffer } from './lying-buffer.ts'

export interface MisbehavingExporterInit {
  readonly lie: Lie
  /** 4 pages by default. */
  readonly sizeBytes?: number
  /** For whom `FOREIGN_TABLE` maps. */
  readonly otherDevice?: Device
  /** How long its copies take; 1 ms by default. */
  readonly copyNs?: number
}

/** One buffer, whose exporter does one thing wrong. */
export interface MisbehavingExporter {
  readonly lie: Lie
  /** With a reference for the caller. */
  readonly dmabuf: DmaBuf
  /** How often it has lied. */
  readonly told: number
  /** Does what no importer asks for: moves, frees, tells importers. Nothing for the other lies. The caller has no lock. */
  act(): Op<void>
  /** Takes back what is left of the lie, so that a test can end with nothing outstanding. */
  cleanUp(): void
}

/**
 * An exporter that lies, for tests of whoever imports buffers and of checks. Honest in all but one.
 *
 * A lie is met when it ends in an error or a report, and no importer takes a wrong byte for right.
 */
export function createMisbehavingExporter(
  components: DmaHeapComponents,
  init: MisbehavingExporterInit,
): MisbehavingExporter {
  const { kernel, memory, core } = components
  const { lie, sizeBytes = 4 * PAGE_SIZE, otherDevice = null, copyNs = 1_000_000 } = init
  const name = 'misbehaving'
  const engine = new CopyEngine(components, name, { setupNs: copyNs })
  const backing = allocPageBacking(memory, Math.ceil(sizeBytes / PAGE_SIZE))
  const buffer = new LyingBuffer({ kernel, memory, engine, lie, otherDevice }, backing)
  const dmabuf = exportBacking(core, backing, buffer, name, {})
  return {
    lie,
    dmabuf,
    get told() {
      return buffer.told
    },
    act: () => buffer.act(dmabuf),
    cleanUp: () => buffer.cleanUp(),
  }
}
