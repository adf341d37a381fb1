// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel, Op } from '@iolayers/kernel'
import {
  AddressFamily,
  AdminOpcode,
  DISCOVERY_ENTRY_BYTES,
  DISCOVERY_HEADER_BYTES,
  DISCOVERY_NQN,
  DiscoveryLogEntryLayout,
  DiscoveryLogHeaderLayout,
  decode,
  LogId,
  SQE_BYTES,
  SqeOffset,
  SubsystemType,
  setUint64,
  statusName,
  TCP_DISCOVERY_PORT,
  TransportType,
} from '../../spec/index.ts'
import { type ConnectInit, connectSettings } from './connect-init.ts'
import { LinkError } from './link-error.ts'
import type { Dial } from './link-socket.ts'
import type { QueueLink } from './queue-link.ts'
import { openSession } from './session.ts'

const MS = 1e6
/** The log changes while it is read: so often it is begun anew. */
const READS_MAX = 10
/** A controller that names more than this is not believed. */
const RECORDS_MAX = 65_536
/** Entries of one command: 4 KiB, which every controller moves. */
const RECORDS_PER_READ = 4
const COMMAND_ID = 1

/** Who is asked. The port is 8009 by default. */
export interface DiscoverInit
  extends Pick<
    ConnectInit,
    'host' | 'port' | 'hostNqn' | 'hostId' | 'headerDigest' | 'dataDigest' | 'connectTimeoutMs'
  > {
  /** Another discovery subsystem than the well-known one. */
  readonly subsystemNqn?: string
}

/** One entry of a discovery log. @see NVMe Base 2.1, 5.1.12.3.1 */
export interface DiscoveryEntry {
  readonly transport: string
  readonly addressFamily: string
  readonly subsystemType: string
  readonly portId: number
  readonly serviceId: string
  readonly subsystemNqn: string
  readonly address: string
}

/** What a discovery controller tells this host. */
export interface DiscoveryLog {
  /** Counts the changes of the log. */
  readonly generation: number
  readonly entries: readonly DiscoveryEntry[]
}

/** @internal Throws LinkError. @see nvme-cli, fabrics.c; NVMe Base 2.1, 5.1.12.3.1 */
export function* discoverWith(
  components: { readonly kernel: Kernel; readonly dial: (host: string, port: number) => Dial },
  init: DiscoverInit,
): Op<DiscoveryLog> {
  const { kernel, dial } = components
  const settings = connectSettings({
    ...init,
    port: init.port ?? TCP_DISCOVERY_PORT,
    subsystemNqn: init.subsystemNqn ?? DISCOVERY_NQN,
  })
  const { host, port, connectTimeoutMs } = settings
  const timeoutNs = connectTimeoutMs * MS
  const { link } = yield* openSession(
    { kernel, dial: dial(host, port) },
    { ...settings, address: `${host}:${port}`, keepAliveMs: 0, timeoutNs },
    () => {},
  )
  try {
    for (let reads = 0; reads < READS_MAX; reads++) {
      const log = yield* readOnce(link, timeoutNs)
      if (log !== null) return log
    }
    throw new LinkError('EAGAIN', `the discovery log of ${host}:${port} changes all the time`)
  } finally {
    link.close()
  }
}

/** Null: it changed meanwhile. */
function* readOnce(link: QueueLink, timeoutNs: number): Op<DiscoveryLog | null> {
  const before = yield* header(link, timeoutNs)
  const entries: DiscoveryEntry[] = []
  while (entries.length < before.records) {
    const count = Math.min(RECORDS_PER_READ, before.records - entries.length)
    const page = new Uint8Array(count * DISCOVERY_ENTRY_BYTES)
    const offset = DISCOVERY_HEADER_BYTES + entries.length * DISCOVERY_ENTRY_BYTES
    yield* readLog(link, page, offset, timeoutNs)
    for (let i = 0; i < count; i++) {
      const at = i * DISCOVERY_ENTRY_BYTES
      entries.push(entryOf(page.subarray(at, at + DISCOVERY_ENTRY_BYTES)))
    }
  }
  const after = yield* header(link, timeoutNs)
  return after.generation === before.generation ? { generation: before.generation, entries } : null
}

function* header(
  link: QueueLink,
  timeoutNs: number,
): Op<{ readonly generation: number; readonly records: number }> {
  const page = new Uint8Array(DISCOVERY_HEADER_BYTES)
  yield* readLog(link, page, 0, timeoutNs)
  const { GENCTR, NUMREC, RECFMT } = decode(DiscoveryLogHeaderLayout, page)
  const records = Number(NUMREC)
  if (RECFMT === 0 && records <= RECORDS_MAX) return { generation: Number(GENCTR), records }
  const text = `a discovery log of format ${RECFMT} with ${records} entries`
  throw new LinkError('EPROTO', text, true)
}

function* readLog(
  link: QueueLink,
  dataIn: Uint8Array,
  offset: number,
  timeoutNs: number,
): Op<void> {
  const entry = new Uint8Array(SQE_BYTES)
  const view = new DataView(entry.buffer)
  const dwords = dataIn.length / 4 - 1
  view.setUint32(0, AdminOpcode.GET_LOG_PAGE | (COMMAND_ID << 16), true)
  view.setUint32(SqeOffset.CDW10, LogId.DISCOVERY | ((dwords & 0xffff) << 16), true)
  view.setUint32(SqeOffset.CDW11, dwords >>> 16, true)
  setUint64(view, SqeOffset.CDW12, offset)
  const { status } = yield* link.execute('Get Log Page', entry, { dataIn }, timeoutNs)
  if (status === 0) return
  throw new LinkError('EIO', `the discovery log was refused: ${statusName(status)}`, true)
}

function entryOf(bytes: Uint8Array): DiscoveryEntry {
  const { TRTYPE, ADRFAM, SUBTYPE, PORTID, TRSVCID, SUBNQN, TRADDR } = decode(
    DiscoveryLogEntryLayout,
    bytes,
  )
  return {
    transport: nameOf(TransportType, TRTYPE),
    addressFamily: nameOf(AddressFamily, ADRFAM),
    subsystemType: nameOf(SubsystemType, SUBTYPE),
    portId: PORTID,
    serviceId: TRSVCID.trim(),
    subsystemNqn: SUBNQN,
    address: TRADDR.trim(),
  }
}

/** In lower case, as nvme-cli has them; a number that has no name stays one. */
function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  const found = Object.entries(names).find(([, known]) => known === value)?.[0]
  return found === undefined ? String(value) : found.toLowerCase().replaceAll('_', ' ')
}
