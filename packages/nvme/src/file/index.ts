// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { createFileStore, type FileStore, type FileStoreInit } from './file-store.ts'
