// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The iterator targets of a stack. The layers offer the sources and know nothing of iterators; here they become targets, each with
// a program that writes text and one that writes JSON.

import type { ListedToken, TokenSource } from '@iolayers/blk-mq-token'
import type { InFlightRequest, RequestSource } from '@iolayers/block-core'
import {
  type BpfIter,
  createSourceIterTarget,
  createTextProgram,
  type IterProgram,
  type RegisteredTarget,
} from '@iolayers/bpf-iter'
import { createDmabufIterTarget, dmabufTextProgram } from '@iolayers/bpf-iter/dmabuf'
import type { DmaBuf, DmaBufCore } from '@iolayers/dma-buf'
import type { File } from '@iolayers/kernel'

/** The targets that every stack has. */
export const ITER_NAMES = ['dmabuf', 'request', 'dmabuf_token'] as const
export type IterName = (typeof ITER_NAMES)[number]

/** `text`: the source's own records. `json`: an object on a line of its own for each item. */
export const ITER_FORMATS = ['text', 'json'] as const
export type IterFormat = (typeof ITER_FORMATS)[number]

/** A target, without what its items are. */
export interface StackIter {
  /** A new iterator, read from the file until it gives 0 bytes. The caller puts the file. */
  open(format: IterFormat): File
}

/** What is iterated over. */
export interface IterSources {
  readonly dmabufs: DmaBufCore
  readonly requests: RequestSource
  readonly tokens: TokenSource
}

/** The targets by their names, and the dmabuf target for programs of one's own. */
export interface IterTargets {
  readonly dmabufTarget: RegisteredTarget<DmaBuf>
  readonly iters: Readonly<Record<IterName, StackIter>>
}

export function registerIterTargets(iterators: BpfIter, sources: IterSources): IterTargets {
  const { dmabufs, requests, tokens } = sources
  const dmabufTarget = iterators.registerTarget(createDmabufIterTarget(dmabufs))
  return {
    dmabufTarget,
    iters: {
      dmabuf: stackIter(dmabufTarget, {
        text: dmabufTextProgram,
        json: jsonProgram(jsonOfDmabuf),
      }),
      request: stackIter(iterators.registerTarget(createSourceIterTarget('request', requests)), {
        text: createTextProgram(requests),
        json: jsonProgram(jsonOfRequest),
      }),
      dmabuf_token: stackIter(
        iterators.registerTarget(createSourceIterTarget('dmabuf_token', tokens)),
        { text: createTextProgram(tokens), json: jsonProgram(jsonOfToken) },
      ),
    },
  }
}

function stackIter<T>(
  target: RegisteredTarget<T>,
  programs: Readonly<Record<IterFormat, IterProgram<T>>>,
): StackIter {
  return {
    open(format) {
      const link = target.attach(programs[format])
      try {
        return link.open()
      } finally {
        // An iterator that is open does not need its link.
        link.release()
      }
    },
  }
}

function jsonProgram<T>(jsonOf: (item: T) => Record<string, unknown>): IterProgram<T> {
  return ({ item, meta }) => {
    if (item !== null) meta.seq.puts(`${JSON.stringify(jsonOf(item))}\n`)
    return 0
  }
}

/** References without the one that the iterator holds while it shows the buffer. */
function jsonOfDmabuf(dmabuf: DmaBuf): Record<string, unknown> {
  const { inode, sizeBytes, name, exporterName, references } = dmabuf
  return { inode, size: sizeBytes, name, exporter: exporterName, references: references - 1 }
}

function jsonOfRequest(request: InFlightRequest): Record<string, unknown> {
  const { device, hctx, tag, op, sector, bytes, state, dmabuf, ageNs } = request
  return { device, hctx, tag, op, sector, bytes, state, dmabuf, ageNs }
}

function jsonOfToken({ fields }: ListedToken): Record<string, unknown> {
  const { id, parent, device, inode, sizeBytes, direction, policy, state } = fields
  const { generations, mapsLive, map } = fields
  const current =
    map === null
      ? null
      : {
          generation: map.generation,
          refs: map.refs,
          active: map.active,
          segments: map.segments,
          granule: map.granuleBytes,
        }
  return {
    id,
    parent,
    device,
    inode,
    size: sizeBytes,
    direction,
    policy,
    state,
    generations,
    mapsLive,
    map: current,
  }
}
