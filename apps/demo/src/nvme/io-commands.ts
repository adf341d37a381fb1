// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The commands that move, compare, zero or give back blocks.

import { readFileSync, writeFileSync } from 'node:fs'
import type { Op } from '@iolayers/kernel'
import type { IoCommand } from '@iolayers/nvme/host'
import { NvmOpcode } from '@iolayers/nvme/spec'
import { RefusedError, UsageError } from '../cli/failure.ts'
import {
  type Answer,
  type Document,
  isSet,
  NSID,
  type NvmeCommand,
  nsidOf,
  number,
  numberOr,
  numbers,
  type Option,
  type Raw,
  text,
} from './nvme-command.ts'
import type { NvmeSession } from './session.ts'

const LBA_MAX = Number.MAX_SAFE_INTEGER
const NLB_MAX = 65_535
const RANGES_MAX = 256
const DSM_RANGE_BYTES = 16
const COPY_RANGE_BYTES = 32
/** Upper half of dword 12. */
const FUA = 0x4000_0000
const LIMITED_RETRY = 0x8000_0000
const DEAC = 0x0200_0000

const START: Option = {
  flags: '-s, --start-block <SLBA>',
  description: 'the first block',
  fallback: '0',
}
const COUNT: Option = {
  flags: '-c, --block-count <NLB>',
  description: 'the number of blocks less one',
  fallback: '0',
}
const SIZE: Option = {
  flags: '-z, --data-size <BYTES>',
  description: 'bytes of the data; left out, those of the blocks',
}
const FUA_OPTION: Option = {
  flags: '-f, --force-unit-access',
  description: 'on the medium before the command ends',
}
const RETRY_OPTION: Option = {
  flags: '-l, --limited-retry',
  description: 'with little effort to recover from errors',
}
const RANGE = [NSID, START, COUNT, FUA_OPTION, RETRY_OPTION]

export const ioCommands: readonly NvmeCommand[] = [
  {
    name: 'flush',
    description: 'make what was written safe',
    options: [NSID],
    writes: true,
    *run(session, raw) {
      yield* session.io('flush', nsidOf(raw), { opcode: NvmOpcode.FLUSH })
      return done('NVMe Flush: success', { nsid: nsidOf(raw) })
    },
  },
  {
    name: 'read',
    description: 'read blocks, to stdout or into a file',
    options: [...RANGE, SIZE, { flags: '-d, --data <FILE>', description: 'where the data goes' }],
    run: read,
  },
  {
    name: 'write',
    description: 'write blocks, from stdin or from a file',
    options: [...RANGE, SIZE, { flags: '-d, --data <FILE>', description: 'where the data is' }],
    writes: true,
    run: (session, raw) => send(session, raw, 'write', NvmOpcode.WRITE),
  },
  {
    name: 'compare',
    description: 'compare blocks with stdin or with a file: exit 1 where they differ',
    options: [...RANGE, SIZE, { flags: '-d, --data <FILE>', description: 'where the data is' }],
    run: (session, raw) => send(session, raw, 'compare', NvmOpcode.COMPARE),
  },
  {
    name: 'verify',
    description: 'have the controller read blocks, and return none of them',
    options: RANGE,
    run: (session, raw) => range(session, raw, NvmOpcode.VERIFY, 'verify', 'NVME Verify Success'),
  },
  {
    name: 'write-zeroes',
    description: 'make blocks zeros',
    options: [...RANGE, { flags: '-D, --deac', description: 'the blocks may be given back' }],
    writes: true,
    losesData: () => true,
    run: (session, raw) =>
      range(session, raw, NvmOpcode.WRITE_ZEROES, 'write-zeroes', 'NVME Write Zeroes Success'),
  },
  {
    name: 'write-uncor',
    description: 'make blocks unreadable until they are written',
    options: [NSID, START, COUNT],
    writes: true,
    losesData: () => true,
    run: (session, raw) =>
      range(
        session,
        raw,
        NvmOpcode.WRITE_UNCORRECTABLE,
        'write-uncor',
        'NVME Write Uncorrectable Success',
      ),
  },
  {
    name: 'dsm',
    description: 'say how ranges are used; with --ad give them back',
    options: [
      NSID,
      { flags: '-b, --blocks <LIST>', description: 'blocks of each range, commas between' },
      { flags: '-s, --slbs <LIST>', description: 'first block of each range' },
      { flags: '-d, --ad', description: 'deallocate: what is there is lost' },
      { flags: '-w, --idw', description: 'will be written as a whole' },
      { flags: '-r, --idr', description: 'will be read as a whole' },
    ],
    writes: true,
    losesData: (raw) => isSet(raw, 'ad'),
    run: dsm,
  },
  {
    name: 'copy',
    description: 'copy blocks within the controller',
    options: [
      NSID,
      { flags: '-d, --sdlba <LBA>', description: 'the first block of the destination' },
      { flags: '-b, --blocks <LIST>', description: 'blocks of each range less one' },
      { flags: '-s, --slbs <LIST>', description: 'first block of each range' },
      FUA_OPTION,
      RETRY_OPTION,
    ],
    writes: true,
    run: copy,
  },
]

function done(line: string, document: Document): Answer {
  return { document: { ...document, status: 'success' }, lines: [line] }
}

/** Dwords 10 to 12 of what names one range. */
function rangeOf(raw: Raw): Pick<IoCommand, 'cdw10' | 'cdw11' | 'cdw12'> {
  const first = number(raw, 'startBlock', 0, LBA_MAX)
  const control =
    (isSet(raw, 'forceUnitAccess') ? FUA : 0) +
    (isSet(raw, 'limitedRetry') ? LIMITED_RETRY : 0) +
    (isSet(raw, 'deac') ? DEAC : 0)
  return {
    cdw10: first % 2 ** 32,
    cdw11: Math.floor(first / 2 ** 32),
    cdw12: number(raw, 'blockCount', 0, NLB_MAX) + control,
  }
}

function rangeDocument(raw: Raw): Document {
  const start = number(raw, 'startBlock', 0, LBA_MAX)
  const count = number(raw, 'blockCount', 0, NLB_MAX) + 1
  return { nsid: nsidOf(raw), start_block: start, blocks: count }
}

function* range(
  session: NvmeSession,
  raw: Raw,
  opcode: number,
  name: string,
  line: string,
): Op<Answer> {
  yield* session.io(name, nsidOf(raw), { opcode, ...rangeOf(raw) })
  return done(line, rangeDocument(raw))
}

/** Throws UsageError for a size that is not that of the blocks: there is no other data to be moved. */
function sizeOf(session: NvmeSession, raw: Raw): number {
  const bytes = (number(raw, 'blockCount', 0, NLB_MAX) + 1) * session.blockBytes(nsidOf(raw))
  const given = numberOr(raw, 'dataSize', bytes)
  if (given === bytes) return bytes
  throw new UsageError(`--data-size is ${given}; the blocks have ${bytes} bytes`)
}

function* read(session: NvmeSession, raw: Raw): Op<Answer> {
  const bytes = new Uint8Array(sizeOf(session, raw))
  const command = { opcode: NvmOpcode.READ, ...rangeOf(raw), dataIn: bytes }
  yield* session.io('read', nsidOf(raw), command)
  const document = { ...rangeDocument(raw), bytes: bytes.length }
  const path = text(raw, 'data')
  if (path === null) {
    return { document: { ...document, data: Buffer.from(bytes).toString('hex') }, bytes }
  }
  writeFileSync(path, bytes)
  return done('read: Success', { ...document, file: path })
}

function* send(session: NvmeSession, raw: Raw, name: string, opcode: number): Op<Answer> {
  const bytes = sizeOf(session, raw)
  const path = text(raw, 'data')
  // 0 is stdin.
  const data = readFileSync(path ?? 0)
  if (data.length < bytes) {
    const from = path ?? 'stdin'
    throw new RefusedError(`${name}: ${from} has ${data.length} bytes, the blocks have ${bytes}`)
  }
  const dataOut = new Uint8Array(data.subarray(0, bytes))
  yield* session.io(name, nsidOf(raw), { opcode, ...rangeOf(raw), dataOut })
  return done(`${name}: Success`, { ...rangeDocument(raw), bytes })
}

/** First block and length of each range. Throws UsageError where the lists are not of the same length. */
function rangesOf(raw: Raw, lengthMax: number): { first: number; length: number }[] {
  const firsts = numbers(raw, 'slbs', LBA_MAX)
  const lengths = numbers(raw, 'blocks', lengthMax)
  if (firsts.length !== lengths.length || firsts.length > RANGES_MAX) {
    throw new UsageError(
      `--slbs has ${firsts.length} and --blocks ${lengths.length} ranges; both take the same number, at most ${RANGES_MAX}`,
    )
  }
  return firsts.map((first, i) => ({ first, length: lengths[i] ?? 0 }))
}

function* dsm(session: NvmeSession, raw: Raw): Op<Answer> {
  const ranges = rangesOf(raw, 2 ** 32 - 1)
  const dataOut = new Uint8Array(ranges.length * DSM_RANGE_BYTES)
  const view = new DataView(dataOut.buffer)
  ranges.forEach(({ first, length }, i) => {
    view.setUint32(i * DSM_RANGE_BYTES + 4, length, true)
    view.setBigUint64(i * DSM_RANGE_BYTES + 8, BigInt(first), true)
  })
  const attributes =
    (isSet(raw, 'idr') ? 1 : 0) | (isSet(raw, 'idw') ? 2 : 0) | (isSet(raw, 'ad') ? 4 : 0)
  yield* session.io('dsm', nsidOf(raw), {
    opcode: NvmOpcode.DATASET_MANAGEMENT,
    cdw10: ranges.length - 1,
    cdw11: attributes,
    dataOut,
  })
  return done('NVMe DSM: success', { nsid: nsidOf(raw), ranges: ranges.length, attributes })
}

/** Source ranges of format 0. @see NVM Command Set 1.1, figure 39 */
function* copy(session: NvmeSession, raw: Raw): Op<Answer> {
  const ranges = rangesOf(raw, NLB_MAX)
  const target = number(raw, 'sdlba', 0, LBA_MAX)
  const dataOut = new Uint8Array(ranges.length * COPY_RANGE_BYTES)
  const view = new DataView(dataOut.buffer)
  ranges.forEach(({ first, length }, i) => {
    view.setBigUint64(i * COPY_RANGE_BYTES + 8, BigInt(first), true)
    view.setUint16(i * COPY_RANGE_BYTES + 16, length, true)
  })
  const control =
    (isSet(raw, 'forceUnitAccess') ? FUA : 0) + (isSet(raw, 'limitedRetry') ? LIMITED_RETRY : 0)
  yield* session.io('copy', nsidOf(raw), {
    opcode: NvmOpcode.COPY,
    cdw10: target % 2 ** 32,
    cdw11: Math.floor(target / 2 ** 32),
    cdw12: ranges.length - 1 + control,
    dataOut,
  })
  return done('NVMe Copy: success', { nsid: nsidOf(raw), sdlba: target, ranges: ranges.length })
}
