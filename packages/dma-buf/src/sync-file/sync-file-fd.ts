// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type FdTable, type File, KernelError } from '@iolayers/kernel'
import type { DmaFence } from '../fence/dma-fence.ts'
import { type SyncFile, syncFileAbility } from './sync-file.ts'

/** Hands a descriptor's number to whoever asked for it, before anybody can use it. */
export type TellFd = (fd: number) => void

/**
 * A descriptor for a sync file. It takes over the reference that `make` gives. Nothing looks at the file after it was installed, and a number that could
 * not be told is not used: when `make` or `tell` throws, nothing has been installed and nothing is left. Throws EMFILE.
 */
export function syncFileFd(fdTable: FdTable, make: () => SyncFile, tell?: TellFd): number {
  const fd = fdTable.reserve()
  let file: File | null = null
  try {
    file = make().file
    tell?.(fd)
  } catch (error) {
    file?.put()
    fdTable.putUnused(fd)
    throw error
  }
  fdTable.install(fd, file)
  return fd
}

/** The sync file behind a descriptor, with a reference on its file for the caller; null when there is none. @see sync_file_fdget */
export function syncFileFdGet(fdTable: FdTable, fd: number): SyncFile | null {
  let file: File
  try {
    file = fdTable.get(fd)
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EBADF') return null
    throw error
  }
  const syncFile = file.query(syncFileAbility)
  if (syncFile !== undefined) return syncFile
  file.put()
  return null
}

/** The fence behind a descriptor, with a reference for the caller; null when it is no sync file. @see sync_file_get_fence */
export function syncFileGetFence(fdTable: FdTable, fd: number): DmaFence | null {
  const syncFile = syncFileFdGet(fdTable, fd)
  if (syncFile === null) return null
  const { fence, file } = syncFile
  fence.get()
  file.put()
  return fence
}

/**
 * A descriptor for the merge of `syncFile` with the one behind `fd2`. Throws ENOENT when that is no sync file, EMFILE, and what `tell` throws.
 *
 * @see drivers/dma-buf/sync_file.c sync_file_ioctl_merge
 */
export function syncFileMergeFd(
  fdTable: FdTable,
  syncFile: SyncFile,
  merge: { readonly name: string; readonly fd2: number },
  tell?: TellFd,
): number {
  return syncFileFd(fdTable, () => mergeWith(fdTable, syncFile, merge), tell)
}

function mergeWith(
  fdTable: FdTable,
  syncFile: SyncFile,
  { name, fd2 }: { readonly name: string; readonly fd2: number },
): SyncFile {
  const other = syncFileFdGet(fdTable, fd2)
  if (other === null) throw new KernelError('ENOENT', `descriptor ${fd2} is no sync file`)
  try {
    return syncFile.merge(name, other)
  } finally {
    other.file.put()
  }
}
