// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { Bio, type BioEndIo } from './bio/bio.ts'
export { BIO_MAX_VECS, bioIovIterGetPages, bioSetDmabuf, bioSetFromIter } from './bio/bio-build.ts'
export {
  bioAdvance,
  bioAllocClone,
  bioChain,
  bioEndio,
  bioEndWith,
  bioIncRemaining,
  bioInitClone,
  bioRoot,
  bioSplitFront,
  bioTryAllocClone,
} from './bio/bio-chain.ts'
export { BioFlag, bioClearFlag, bioFlagged, bioSetFlag } from './bio/bio-flags.ts'
export { BioList } from './bio/bio-list.ts'
export {
  bioReset,
  bioReuse,
  bioTrim,
  bioTruncate,
  type ZeroMemory,
} from './bio/bio-reset.ts'
export { BioSet, type BioSetInit } from './bio/bio-set.ts'
export {
  BIO_MAX_SIZE,
  bioAddFolio,
  bioAddPage,
  bioFull,
  bioInitInline,
  bioInitTable,
} from './bio/bio-vecs.ts'
export { BioWalk } from './bio/bio-walk.ts'
export { BvecIter, bvecIterAdvance, bvecIterPeek } from './bio/bvec-iter.ts'
export { BioWaiter } from './bio/submit-bio-wait.ts'
export { BlkStatus, blkStatusText, blkStatusToErrno, errnoToBlkStatus } from './blk-status.ts'
export { type BioDisk, type BioDiskInit, type BioDriver, createBioDisk } from './disk/bio-disk.ts'
export type { BioBasedDisk, BioSubmission } from './disk/bio-submission.ts'
export { createDisk, type DiskInit } from './disk/blk-disk.ts'
export type { Disk, RequestQueue } from './disk/disk.ts'
export { DiskClaim } from './disk/disk-claim.ts'
export { diskStatLine } from './disk/disk-stat-line.ts'
export type { DiskStats, IoGroupStats } from './disk/disk-stats.ts'
export type {
  DmabufInvalidationPolicy,
  DmabufIoMap,
  DmabufRegistrar,
  DmabufToken,
  DmabufTokenFactory,
  DmabufTokenHolder,
  DmabufTokenOptions,
  DmabufTokenParent,
  StackedTokenFactory,
} from './dmabuf/contracts.ts'
export { type DmabufFile, dmabufFile } from './dmabuf/dmabuf-file.ts'
export type { IoschedTunables, SchedulerName } from './elevator/elevator.ts'
export { IoprioClass, ioprioClass, ioprioValue } from './elevator/ioprio.ts'
export { type BlkdevControl, blkdevControl, FallocFlags } from './file/blkdev-control.ts'
export { type BlockDeviceFileInit, createBlockDeviceFile } from './file/block-device-file.ts'
export {
  BlkdevZero,
  type BlkLibComponents,
  blkdevIssueDiscard,
  blkdevIssueFlush,
  blkdevIssueSecureErase,
  blkdevIssueZeroout,
} from './lib/blk-lib.ts'
export {
  queueLimitAlignmentOffset,
  queueLimitDiscardAlignment,
} from './limits/limit-alignment.ts'
export { blkBoundarySectors, maxIoSizeBytes } from './limits/max-io-size.ts'
export type { QueueLimits, StackingLimits } from './limits/queue-limits.ts'
export { bioSplitToLimits } from './limits/split.ts'
export { bioAllowedMaxSectors, splitDiscardBytes } from './limits/split-discard.ts'
export { splitDmabufBytes } from './limits/split-dmabuf.ts'
export { splitVecBytes } from './limits/split-vec.ts'
export { blkSetStackingLimits, blkStackLimits } from './limits/stack-limits.ts'
export { type QueueLimitsInit, validateLimits } from './limits/validate-limits.ts'
export {
  blkAbortRequest,
  blkMqAddToBatch,
  blkMqCompleteRequest,
  blkMqEndRequest,
  blkMqEndRequestBatch,
  blkMqRequestCompleted,
  blkMqRequestStarted,
  blkMqRequeueRequest,
  blkMqStartRequest,
  blkUpdateRequest,
} from './mq/blk-mq.ts'
export type { BlkMqOps } from './mq/blk-mq-ops.ts'
export {
  blkMqTagsetCountCompletedRqs,
  blkMqTagsetWaitCompletedRequest,
} from './mq/completed-requests.ts'
export {
  blkExecuteRq,
  blkExecuteRqNowait,
  blkMqFreeRequest,
  blkRqMapDmabuf,
  blkRqMapKern,
} from './mq/execute-rq.ts'
export type { BlkMqHwCtx } from './mq/hw-ctx.ts'
export type { Passthrough, PassthroughInit } from './mq/passthrough.ts'
export { BLK_MAX_REQUEST_COUNT, Plug } from './mq/plug.ts'
export {
  BlkMqQueueMap,
  blkMqMapQueues,
  HctxType,
  type MapQueues,
} from './mq/queue-map.ts'
export { ReqIterator } from './mq/req-iterator.ts'
export { MqRqState, type Request } from './mq/request.ts'
export {
  createRequestSource,
  type InFlightRequest,
  type RequestSource,
} from './mq/request-source.ts'
export { blkRqActivateDmabuf, blkRqDeactivateDmabuf } from './mq/rq-active.ts'
export { type RqEndIo, RqEndIoRet } from './mq/rq-end-io.ts'
export { RqList } from './mq/rq-list.ts'
export { blkMqRqStateName, blkOpStr, type MqRqStateName } from './mq/rq-names.ts'
export { BlkEhTimerReturn } from './mq/rq-timeouts.ts'
export {
  BLK_MQ_NO_HCTX_IDX,
  createTagSet,
  type TagSet,
  type TagSetInit,
  type TagSetQueue,
} from './mq/tag-set.ts'
export type { TagUser } from './mq/tag-user.ts'
export { blkMqUpdateNrHwQueues } from './mq/update-nr-hw-queues.ts'
export { blkMqUpdateNrRequests } from './mq/update-nr-requests.ts'
export { Badblocks, type BadRange } from './null-blk/badblocks.ts'
export {
  createFaultAttr,
  FaultAttr,
  type FaultAttrInit,
  type FaultInjector,
  setupFaultAttr,
} from './null-blk/fault-attr.ts'
export { createNullBlk, type NullBlk, type NullBlkComponents } from './null-blk/null-blk.ts'
export { type NullBlkInit, NullIrqMode, NullQueueMode } from './null-blk/null-blk-init.ts'
export { createNullBlkTags, type NullBlkTags } from './null-blk/null-blk-tags.ts'
export { createRamDisk, type RamDiskComponents, type RamDiskInit } from './ram-disk/ram-disk.ts'
export type { CpuMemory } from './ram-disk/sector-store.ts'
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
export {
  createLinearDisk,
  type LinearDiskInit,
  type LinearTarget,
} from './stacked/linear-disk.ts'
export type { LowerRange } from './stacked/lower-limits.ts'
export {
  createStackedDisk,
  type StackedDiskComponents,
  type StackedDiskInit,
} from './stacked/stacked-disk.ts'
export type { StackedPlace, StackedTarget } from './stacked/stacked-target.ts'
export { createStripedDisk, type StripedDiskInit } from './stacked/striped-disk.ts'
