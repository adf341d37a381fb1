// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { utf8Length } from '../utf8-length.ts'

/** The longest name that a buffer can have, in bytes. @see include/uapi/linux/dma-buf.h DMA_BUF_NAME_LEN, with its terminator */
export const DMA_BUF_NAME_MAX = 31

/** `name` up to its first NUL. Throws EINVAL when that is too long. @see mm/util.c strndup_user */
export function checkName(name: string): string {
  const end = name.indexOf('\0')
  const text = end === -1 ? name : name.slice(0, end)
  const bytes = utf8Length(text)
  if (bytes <= DMA_BUF_NAME_MAX) return text
  throw new KernelError('EINVAL', `the name of a dma-buf has ${bytes} characters`, {
    accepted: `at most ${DMA_BUF_NAME_MAX}`,
  })
}
