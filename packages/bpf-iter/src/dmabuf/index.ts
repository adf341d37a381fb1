// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export {
  createDmabufIterTarget,
  type DmabufIterItem,
  dmabufTextProgram,
  formatDmabuf,
} from './dmabuf-target.ts'
