// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { type Iovec, MAX_RW_COUNT, UIO_MAXIOV } from '@iolayers/uio'
import type { IoReq } from '../io-req.ts'
import { copyFromUser, type UserMemoryAccess, userRangeThere } from '../op-ctx.ts'
import { getUint53 } from '../uapi.ts'
import { IOVEC_BYTES } from '../uapi-flags.ts'

/**
 * Copies the user's array of struct iovec into the request, whose `lengthBytes`, the number of ranges until now, becomes their sum: 0, -EINVAL
 * for more than UIO_MAXIOV ranges or a negative length, -EFAULT where the array or a range is not in memory. What is over MAX_RW_COUNT
 * in sum is cut off.
 * @see lib/iov_iter.c import_iovec
 */
export function importVector(req: IoReq, memory: UserMemoryAccess | null): number {
  const count = req.lengthBytes
  if (count > UIO_MAXIOV) return -Errno.EINVAL
  const bytes = new Uint8Array(count * IOVEC_BYTES)
  if (!copyFromUser(memory, req.bufOffsetBytes, bytes)) return -Errno.EFAULT
  const view = new DataView(bytes.buffer)
  req.iovecs ??= []
  req.nrIovecs = count
  let total = 0
  for (let i = 0; i < count; i += 1) {
    const at = i * IOVEC_BYTES
    if (view.getInt32(at + 12, true) < 0) return -Errno.EINVAL
    const addr = getUint53(view, at)
    const length = Math.min(getUint53(view, at + 8), MAX_RW_COUNT - total)
    if (!userRangeThere(memory, addr, length)) return -Errno.EFAULT
    setIovec(req.iovecs, i, addr, length)
    total += length
  }
  req.lengthBytes = total
  return 0
}

function setIovec(iovecs: Iovec[], index: number, addr: number, lengthBytes: number): void {
  const frame = Math.floor(addr / 4096)
  const offsetBytes = addr - frame * 4096
  const iovec = iovecs[index]
  if (iovec === undefined) {
    iovecs[index] = { frame, offsetBytes, lengthBytes }
    return
  }
  iovec.frame = frame
  iovec.offsetBytes = offsetBytes
  iovec.lengthBytes = lengthBytes
}
