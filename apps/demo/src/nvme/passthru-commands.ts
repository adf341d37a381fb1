// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Commands of the user's own.

import { readFileSync } from 'node:fs'
import type { Op } from '@iolayers/kernel'
import { AdminOpcode, adminOpcodeName, NvmOpcode, nvmOpcodeName } from '@iolayers/nvme/spec'
import { RefusedError, UsageError } from '../cli/failure.ts'
import {
  type Answer,
  type Document,
  isSet,
  type NvmeCommand,
  number,
  numberOr,
  type Option,
  type Raw,
  text,
} from './nvme-command.ts'
import type { NvmeSession } from './session.ts'

const DWORDS = ['cdw2', 'cdw3', 'cdw10', 'cdw11', 'cdw12', 'cdw13', 'cdw14', 'cdw15'] as const
const DUMP_BYTES = 16

const OPTIONS: readonly Option[] = [
  { flags: '-O, --opcode <OPCODE>', description: 'the opcode' },
  { flags: '-n, --namespace-id <NSID>', description: 'the namespace', fallback: '0' },
  ...DWORDS.map((name, i) => ({
    flags: `-${i + 2}, --${name} <VALUE>`,
    description: `dword ${name.slice(3)}`,
  })),
  { flags: '-l, --data-len <BYTES>', description: 'bytes of its data', fallback: '0' },
  { flags: '-r, --read', description: 'the data comes from the controller' },
  { flags: '-w, --write', description: 'the data goes to the controller' },
  { flags: '-i, --input-file <FILE>', description: 'what goes to the controller; else stdin' },
  { flags: '-p, --prefill <BYTE>', description: 'what data is before the command', fallback: '0' },
  { flags: '-b, --raw-binary', description: 'the data to stdout, as it is' },
  { flags: '-s, --show-command', description: 'the command, too' },
  { flags: '-d, --dry-run', description: 'the command, and send nothing' },
  { flags: '-t, --timeout <MS>', description: 'how long it may take, in ms', fallback: '0' },
]

const ADMIN_LOSES: readonly number[] = [
  AdminOpcode.FORMAT_NVM,
  AdminOpcode.NAMESPACE_MANAGEMENT,
  AdminOpcode.SANITIZE,
]
const IO_LOSES: readonly number[] = [
  NvmOpcode.WRITE_UNCORRECTABLE,
  NvmOpcode.WRITE_ZEROES,
  NvmOpcode.DATASET_MANAGEMENT,
]

export const passthruCommands: readonly NvmeCommand[] = [
  {
    name: 'admin-passthru',
    description: 'send an admin command as it is',
    options: OPTIONS,
    writes: true,
    losesData: (raw) => ADMIN_LOSES.includes(opcodeOf(raw)),
    run: (session, raw) => passthru(session, raw, 'Admin'),
  },
  {
    name: 'io-passthru',
    description: 'send a command on an I/O queue as it is',
    options: OPTIONS,
    writes: true,
    losesData: (raw) => IO_LOSES.includes(opcodeOf(raw)),
    run: (session, raw) => passthru(session, raw, 'IO'),
  },
]

function opcodeOf(raw: Raw): number {
  return number(raw, 'opcode', 0, 255)
}

function* passthru(session: NvmeSession, raw: Raw, kind: 'Admin' | 'IO'): Op<Answer> {
  const opcode = opcodeOf(raw)
  const nsid = number(raw, 'namespaceId')
  const data = dataOf(raw)
  const dwords = Object.fromEntries(DWORDS.map((name) => [name, numberOr(raw, name, 0)]))
  const timeoutMs = number(raw, 'timeout')
  const shown = commandLines(opcode, nsid, dwords)
  if (isSet(raw, 'dryRun')) return { document: { opcode, nsid, ...dwords }, lines: shown }
  const what = kind === 'Admin' ? 'admin-passthru' : 'io-passthru'
  const command = {
    opcode,
    ...dwords,
    ...(timeoutMs > 0 && { timeoutNs: timeoutMs * 1e6 }),
    ...(data !== null && (isSet(raw, 'read') ? { dataIn: data } : { dataOut: data })),
  }
  const result =
    kind === 'Admin'
      ? yield* session.admin(what, { ...command, nsid })
      : yield* session.io(what, nsid, command)
  const name = (kind === 'Admin' ? adminOpcodeName(opcode) : nvmOpcodeName(opcode)) ?? 'Unknown'
  const back = isSet(raw, 'read') ? data : null
  const document: Document = {
    opcode,
    nsid,
    status: 0,
    result,
    ...(back !== null && { data: Buffer.from(back).toString('hex') }),
  }
  const hex = result.toString(16).padStart(8, '0')
  const lines = [
    ...(isSet(raw, 'showCommand') ? shown : []),
    `${kind} Command ${name} is Success and result: 0x${hex}`,
    ...(back === null ? [] : dump(back)),
  ]
  return isSet(raw, 'rawBinary') && back !== null ? { document, bytes: back } : { document, lines }
}

/** Null: a command without data. Throws UsageError for what contradicts itself, RefusedError for a file that is too short. */
function dataOf(raw: Raw): Uint8Array | null {
  const length = number(raw, 'dataLen', 0, 2 ** 27)
  const reads = isSet(raw, 'read')
  const writes = isSet(raw, 'write')
  if (reads && writes) throw new UsageError('--read and --write: data goes one way')
  if (length > 0 && !reads && !writes) {
    throw new UsageError('--data-len says that there is data; say --read or --write, too')
  }
  if (length === 0) return null
  const data = new Uint8Array(length).fill(number(raw, 'prefill', 0, 255))
  if (!writes) return data
  const path = text(raw, 'inputFile')
  const given = readFileSync(path ?? 0)
  if (given.length < length) {
    throw new RefusedError(
      `${path ?? 'stdin'} has ${given.length} bytes, --data-len says ${length}`,
    )
  }
  data.set(given.subarray(0, length))
  return data
}

/** @see nvme-cli, nvme.c passthru_print_cmd */
function commandLines(
  opcode: number,
  nsid: number,
  dwords: Readonly<Record<string, number>>,
): string[] {
  const line = (name: string, value: number, digits = 8): string =>
    `${name.padEnd(13)}: ${value.toString(16).padStart(digits, '0')}`
  return [
    line('opcode', opcode, 2),
    line('nsid', nsid),
    ...Object.entries(dwords).map(([name, value]) => line(name, value)),
  ]
}

/** Sixteen bytes a line: offset, bytes, and what of them can be printed. */
function dump(bytes: Uint8Array): string[] {
  const lines = ['       0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f']
  for (let at = 0; at < bytes.length; at += DUMP_BYTES) {
    const part = [...bytes.subarray(at, at + DUMP_BYTES)]
    const hex = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const words = part.map((byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
    )
    lines.push(`${at.toString(16).padStart(4, '0')}: ${hex.padEnd(47)} "${words.join('')}"`)
  }
  return lines
}
