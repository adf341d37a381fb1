// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type File, type Op } from '@iolayers/kernel'
import type { DmabufMap } from './dmabuf-map.ts'
import type { IovIter } from './iov-iter.ts'
import type { IterFile } from './iter-file.ts'
import { IocbFlags, Kiocb, kiocbSetRwFlags } from './kiocb.ts'

/**
 * Reads from a position of a file, and waits for the end: bytes, fewer than asked at the end of the file, or -errno. `io` is the
 * file's own, as its ability gave it; `rwfFlags` are RwfFlags. Made for setup and tests: every call makes a kiocb.
 * @see fs/read_write.c vfs_iter_read
 */
export function* vfsIterRead<M extends DmabufMap, P>(
  filp: File,
  io: IterFile<M, P>,
  iter: IovIter<M>,
  posBytes: number,
  rwfFlags = 0,
): Op<number> {
  if (posBytes < 0) return -Errno.EINVAL
  const kiocb = new Kiocb<P>(null)
  kiocb.init(filp, posBytes)
  const error = kiocbSetRwFlags(kiocb, rwfFlags, false)
  return error === 0 ? yield* io.readIterWait(kiocb, iter) : error
}

/** Writes at a position of a file, and waits for the end, as {@link vfsIterRead}. @see fs/read_write.c vfs_iter_write */
export function* vfsIterWrite<M extends DmabufMap, P>(
  filp: File,
  io: IterFile<M, P>,
  iter: IovIter<M>,
  posBytes: number,
  rwfFlags = 0,
): Op<number> {
  if (posBytes < 0) return -Errno.EINVAL
  const kiocb = new Kiocb<P>(null)
  kiocb.init(filp, posBytes)
  kiocb.flags |= IocbFlags.WRITE
  const error = kiocbSetRwFlags(kiocb, rwfFlags, true)
  return error === 0 ? yield* io.writeIterWait(kiocb, iter) : error
}
