// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Files that a command writes at its end: whole or not at all, and refused before the work where they could not be written after it.

import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { UsageError } from './failure.ts'

/** Nobody sees half of it. Throws what the system says, with nothing left behind. */
export function writeWhole(path: string, text: string): void {
  inDirBeside(path, (dir) => {
    const partial = join(dir, basename(path))
    writeFileSync(partial, text)
    renameSync(partial, path)
  })
}

/** Makes the directory. Throws UsageError for what is none, and what the system says where nothing can be written in it. */
export function prepareDir(option: string, dir: string): void {
  const found = statSync(dir, { throwIfNoEntry: false })
  if (found !== undefined && !found.isDirectory()) {
    throw new UsageError(`${option} ${dir}: it is no directory`)
  }
  mkdirSync(dir, { recursive: true })
  tryToWrite(join(dir, 'new'))
}

/** Makes the directory of a file that is to be written later. Throws as `prepareDir`, and UsageError where a directory is in its place. */
export function prepareFile(option: string, path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) throw new UsageError(`${option} ${path}: it is a directory`)
  mkdirSync(dirname(path), { recursive: true })
  tryToWrite(path)
}

function tryToWrite(path: string): void {
  inDirBeside(path, (dir) => writeFileSync(join(dir, basename(path)), ''))
}

/** A directory of our own, on the file system of `path`: no name in it can be one of the user's. */
function inDirBeside(path: string, work: (dir: string) => void): void {
  const dir = mkdtempSync(join(dirname(path), '.iolayers-'))
  try {
    work(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
