// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** A hazard without a scenario: it cannot exist here, or is about the contents of data or the arguments of one call. */
export interface Unreplayed {
  readonly id: string
  readonly why: string
  /** Where the product shows it: a test file, and a test of it. */
  readonly shownBy: { readonly file: string; readonly test: string }
}

export const unreplayed: readonly Unreplayed[] = [
  {
    id: 'H7',
    why: 'The core of dma-bufs checks every table that an exporter returns, and takes a wrong one back before the importer sees it: there is no address list that could be overrun.',
    shownBy: {
      file: 'packages/blk-mq-token/test/unit/token-errors.test.ts',
      test: 'H7: EINVAL for a table that is shorter than its buffer, before anybody has an address of it',
    },
  },
  {
    id: 'H11',
    why: 'A registration holds its file from the moment it is made until its teardown is over; there is no step in which the file could be let go of first.',
    shownBy: {
      file: 'packages/io-uring/test/unit/registration.test.ts',
      test: 'H11: the target file outlives the registration, whoever lets go of it first, and of the ring',
    },
  },
  {
    id: 'F7',
    why: 'It takes two steps at once: a drain fence of class WRITE, which those who read the buffer wait for, and a signal that needs the reservation lock (F6). With either alone nobody waits in a circle.',
    shownBy: {
      file: 'packages/blk-mq-token/test/unit/token-errors.test.ts',
      test: 'F7: who holds the lock and waits for readers and writers gets on, with the drain fence pending',
    },
  },
  {
    id: 'D4',
    why: 'Making a map holds nothing while it waits for older ones: there is no create mutex that a detach could want.',
    shownBy: {
      file: 'packages/blk-mq-token/test/unit/token-errors.test.ts',
      test: 'R-MQ-4, D4: the wait for an older map holds no lock; it is ETIME or ERESTARTSYS, and the new map stays',
    },
  },
  {
    id: 'S2',
    why: 'A matter of time, not of order: the segment at an offset is found by bisection.',
    shownBy: {
      file: 'packages/dma-mapping/test/property/dma-segment-table.test.ts',
      test: 'R-NVME-1 R-NVME-2: merges neighbours, finds every byte as a walk from the start does',
    },
  },
  {
    id: 'S3',
    why: 'Arithmetic of one call: numbers here have 53 bits, and the bound is computed before it is cut.',
    shownBy: {
      file: 'packages/block-core/test/property/split-dmabuf.test.ts',
      test: 'S3: one segment of 1 GiB and 128 segments do not overflow 32 bits',
    },
  },
  {
    id: 'S7',
    why: 'Cannot exist: the types of an iterator share no memory, so that a map is never taken for an address.',
    shownBy: {
      file: 'packages/uio/test/unit/iter-tools.test.ts',
      test: 'S7, R-UIO-3: of a dmabuf: its offset and length, in every helper',
    },
  },
  {
    id: 'S8',
    why: 'A flag that every I/O looks at, in one step.',
    shownBy: {
      file: 'packages/io-uring/test/sim/rw-dmabuf.test.ts',
      test: 'S8: once O_DIRECT is cleared every I/O is refused',
    },
  },
  {
    id: 'S9',
    why: 'Arguments of one call.',
    shownBy: {
      file: 'packages/io-uring/test/unit/rsrc-update.test.ts',
      test: 'S9: a dma-buf cannot be taken by another ring, and ranges have to fit',
    },
  },
  {
    id: 'S10',
    why: 'Arguments of one call.',
    shownBy: {
      file: 'packages/io-uring/test/unit/io-uring.test.ts',
      test: 'S10: a range outside the buffer, or of no bytes, is EFAULT',
    },
  },
  {
    id: 'P3',
    why: 'A property of the hardware: an access beyond the window is a fault here, and refused when it is mapped.',
    shownBy: {
      file: 'packages/dma-mapping/test/unit/debug/given-back.test.ts',
      test: 'P3 refuses to map beyond it, and faults an access there',
    },
  },
  {
    id: 'P5',
    why: 'About contents, which are undefined then for any design; memory stays safe.',
    shownBy: {
      file: 'packages/dma-buf/test/unit/device-memory.test.ts',
      test: 'P5 a job of the device while a peer reads: memory stays safe, the contents are for the users to order',
    },
  },
]
