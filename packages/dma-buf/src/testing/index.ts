// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { createDmaImporter, type DmaImporter, type DmaImporterInit } from './dma-importer.ts'
export { Lie } from './lies.ts'
export {
  createMisbehavingExporter,
  type MisbehavingExporter,
  type MisbehavingExporterInit,
} from './misbehaving-exporter.ts'
export { type VerifyInit, verifyDeviceRead, verifyDeviceWrite } from './verify-transfer.ts'
