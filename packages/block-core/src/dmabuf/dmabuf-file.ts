// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import type { DmaDirection } from '@iolayers/dma-mapping'
import { Ability, type Op } from '@iolayers/kernel'
import type { IterFile } from '@iolayers/uio'
import type { Plug } from '../mq/plug.ts'
import type { DmabufIoMap, DmabufToken, DmabufTokenOptions } from './contracts.ts'

/**
 * A file that does I/O on registered dma-bufs: a block device file. Its iterators may also be of any other kind.
 * Whether the file is open for direct I/O is checked by whoever registers, because only they know what kind of file it
 * has to be.
 */
export interface DmabufFile extends IterFile<DmabufIoMap, Plug> {
  /**
   * Registers a buffer with the device behind the file. Throws KernelError: EOPNOTSUPP where the device cannot, EBADF
   * where the file's mode does not allow the direction, or what attaching threw. The caller releases the token.
   */
  createDmabufToken(
    dmabuf: DmaBuf,
    direction: DmaDirection,
    options?: DmabufTokenOptions,
  ): Op<DmabufToken>
}

/** Asked of a `File` once, when a buffer is registered; never per I/O. */
export const dmabufFile: Ability<DmabufFile> = new Ability('dmabuf file')
