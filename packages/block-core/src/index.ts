// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { Bio, type BioEndIo } from './bio/bio.ts'
export { BioFlag, bioClearFlag, bioFlagged, bioSetFlag } from './bio/bio-flags.ts'
export { BioSet } from './bio/bio-set.ts'
export { BvecIter } from './bio/bvec-iter.ts'
export { BlkStatus, blkStatusText, blkStatusToErrno, errnoToBlkStatus } from './blk-status.ts'
export type { Disk, RequestQueue } from './disk/disk.ts'
export type { DiskStats } from './disk/disk-stats.ts'
export type {
  DmabufIoMap,
  DmabufRegistrar,
  DmabufToken,
  DmabufTokenFactory,
} from './dmabuf/contracts.ts'
export { type DmabufFile, dmabufFile } from './dmabuf/dmabuf-file.ts'
export type { QueueLimits } from './limits/queue-limits.ts'
export type { BlkMqOps } from './mq/blk-mq-ops.ts'
export type { BlkMqHwCtx } from './mq/hw-ctx.ts'
export type { Plug } from './mq/plug.ts'
export { MqRqState, type Request } from './mq/request.ts'
export { RqList } from './mq/rq-list.ts'
export {
  opIsFlush,
  opIsWrite,
  REQ_OP_MASK,
  ReqFlags,
  ReqOp,
  reqOp,
  SECTOR_SHIFT,
  SECTOR_SIZE,
} from './req-flags.ts'
