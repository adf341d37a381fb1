// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The classes behind the core of dma-bufs, for those who replace one step of them and nothing else. They may change in any release.

export { Core, type DmaBufParts } from './buf/core.ts'
export { DmaBufObject } from './buf/dma-buf.ts'
