// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { readFileSync } from 'node:fs'

/** The version in this package's own package.json, two folders up from here in the source and one in the build. */
export const VERSION: string = readVersion()

function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    const version = versionIn(new URL(path, import.meta.url))
    if (version !== undefined) return version
  }
  return '0.0.0'
}

function versionIn(url: URL): string | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(url, 'utf8'))
    if (typeof value !== 'object' || value === null || !('name' in value)) return undefined
    if (value.name !== 'iolayers' || !('version' in value)) return undefined
    return typeof value.version === 'string' ? value.version : undefined
  } catch {
    return undefined
  }
}
