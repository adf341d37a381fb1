// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The commands about namespaces as such, and about the controller.

import type { Op } from '@iolayers/kernel'
import { AdminOpcode, IDENTIFY_BYTES, IdNs, LogId, NSID_BROADCAST } from '@iolayers/nvme/spec'
import { UsageError } from '../cli/failure.ts'
import {
  type Answer,
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

const LOG_BYTES = 4096
/** NLB formats of the controller, by their index. */
const BLOCK_SIZES = [512, 4096]
const CONTROLLERS: Option = {
  flags: '-c, --controllers <LIST>',
  description: 'the controllers, commas between',
  fallback: '1',
}

export const managementCommands: readonly NvmeCommand[] = [
  {
    name: 'create-ns',
    description: 'make a namespace, in memory: it is gone with the controller',
    options: [
      { flags: '-s, --nsze <BLOCKS>', description: 'its size' },
      { flags: '-c, --ncap <BLOCKS>', description: 'its capacity: the same' },
      { flags: '-f, --flbas <FLBAS>', description: '0: blocks of 512 bytes, 1: of 4096' },
      { flags: '-b, --block-size <BYTES>', description: 'instead of --flbas' },
      { flags: '-d, --dps <DPS>', description: 'protection information: none', fallback: '0' },
      { flags: '-m, --nmic <NMIC>', description: 'sharing: none', fallback: '0' },
    ],
    run: createNs,
  },
  {
    name: 'delete-ns',
    description: 'take a namespace from the controller; what is in a file stays in the file',
    options: [NSID],
    losesData: () => true,
    *run(session, raw) {
      const nsid = nsidOf(raw)
      const command = { opcode: AdminOpcode.NAMESPACE_MANAGEMENT, nsid, cdw10: 1 }
      yield* session.admin('delete-ns', command)
      return { document: { nsid }, lines: [`delete-ns: Success, deleted nsid:${nsid}`] }
    },
  },
  {
    name: 'attach-ns',
    description: 'attach a namespace to controllers',
    options: [NSID, CONTROLLERS],
    run: (session, raw) => attachment(session, raw, 'attach-ns', 0),
  },
  {
    name: 'detach-ns',
    description: 'detach a namespace from controllers',
    options: [NSID, CONTROLLERS],
    run: (session, raw) => attachment(session, raw, 'detach-ns', 1),
  },
  {
    name: 'ns-rescan',
    description: 'look for namespaces again',
    *run(session) {
      const disks = yield* session.rescan()
      return { document: { disks: [...disks] }, lines: disks }
    },
  },
  {
    name: 'changed-ns-list-log',
    description: 'the namespaces that came, went or changed',
    run: changedNamespaces,
  },
  {
    name: 'reset',
    description: 'reset the controller',
    *run(session) {
      yield* session.reset()
      return { document: { status: 'success' }, lines: [] }
    },
  },
]

function* createNs(session: NvmeSession, raw: Raw): Op<Answer> {
  const blocks = number(raw, 'nsze', 1, Number.MAX_SAFE_INTEGER)
  const capacity = numberOr(raw, 'ncap', blocks, Number.MAX_SAFE_INTEGER)
  const dataOut = new Uint8Array(IDENTIFY_BYTES)
  const view = new DataView(dataOut.buffer)
  view.setBigUint64(IdNs.NSZE, BigInt(blocks), true)
  view.setBigUint64(IdNs.NCAP, BigInt(capacity), true)
  view.setUint8(IdNs.FLBAS, formatOf(raw))
  view.setUint8(IdNs.DPS, number(raw, 'dps', 0, 255))
  view.setUint8(IdNs.NMIC, number(raw, 'nmic', 0, 255))
  const command = { opcode: AdminOpcode.NAMESPACE_MANAGEMENT, dataOut }
  const nsid = yield* session.admin('create-ns', command)
  return { document: { nsid }, lines: [`create-ns: Success, created nsid:${nsid}`] }
}

function formatOf(raw: Raw): number {
  if (text(raw, 'blockSize') === null) return numberOr(raw, 'flbas', 0, 255)
  if (text(raw, 'flbas') !== null) {
    throw new UsageError('--flbas and --block-size are about the same; give one of them')
  }
  const bytes = number(raw, 'blockSize')
  const format = BLOCK_SIZES.indexOf(bytes)
  if (format >= 0) return format
  throw new UsageError(`--block-size is ${bytes}; it takes one of ${BLOCK_SIZES.join(', ')}`)
}

function* attachment(session: NvmeSession, raw: Raw, name: string, select: number): Op<Answer> {
  const nsid = nsidOf(raw)
  const controllers = numbers(raw, 'controllers', 65_535)
  const dataOut = new Uint8Array(IDENTIFY_BYTES)
  const view = new DataView(dataOut.buffer)
  if (controllers.length > 2047) throw new UsageError('--controllers takes at most 2047')
  view.setUint16(0, controllers.length, true)
  controllers.forEach((id, i) => {
    view.setUint16(2 + i * 2, id, true)
  })
  const command = { opcode: AdminOpcode.NAMESPACE_ATTACHMENT, nsid, cdw10: select, dataOut }
  yield* session.admin(name, command)
  return { document: { nsid, controllers }, lines: [`${name}: Success, nsid:${nsid}`] }
}

/** @see nvme-cli, nvme-print-json.c json_changed_ns_list_log */
function* changedNamespaces(session: NvmeSession): Op<Answer> {
  const command = {
    opcode: AdminOpcode.GET_LOG_PAGE,
    nsid: NSID_BROADCAST,
    cdw10: LogId.CHANGED_NAMESPACES | ((LOG_BYTES / 4 - 1) << 16),
  }
  const bytes = yield* session.read('changed-ns-list-log', command, LOG_BYTES)
  const view = new DataView(bytes.buffer)
  const list: Record<string, string> = {}
  const lines: string[] = []
  for (let i = 0; i < LOG_BYTES / 4; i++) {
    const nsid = view.getUint32(i * 4, true)
    if (nsid === 0) break
    const name = `[${String(i + 1).padStart(4)}]`
    list[name] = `0x${nsid.toString(16)}`
    lines.push(`${name}:0x${nsid.toString(16)}`)
  }
  return { document: { 'Changed Namespace List Log': list }, lines }
}
