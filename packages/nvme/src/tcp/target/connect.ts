// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The Connect command: which controller a connection is a queue of.

import { KernelError } from '@iolayers/kernel'
import {
  AdminOpcode,
  CNTLID_ANY,
  CONNECT_DATA_BYTES,
  ConnectCommandLayout,
  ConnectDataLayout,
  decode,
  FabricsStatus,
  FabricsType,
  NQN_BYTES_MAX,
  SqeOffset,
  STATUS_DNR,
  Status,
} from '../../spec/index.ts'
import type { Association, AssociationQueue } from './association.ts'
import { DISCOVERY_SUBSYSTEM, type ListenAddress } from './discovery.ts'
import type { RingQueue } from './ring-queue.ts'
import type { Subsystem, TargetSettings } from './target-types.ts'

const FCTYPE = 4

/** What the first command of each connection has to be. */
export function isConnect(entry: DataView): boolean {
  const isFabrics = entry.getUint8(SqeOffset.OPC) === AdminOpcode.FABRICS
  return isFabrics && entry.getUint8(FCTYPE) === FabricsType.CONNECT
}

/** A host that has none wants a controller. */
export interface AssociationRequest {
  readonly subsystem: Subsystem
  readonly hostNqn: string
  readonly hostId: string
  /** Where it came to. */
  readonly at: ListenAddress
}

/** Where a queue of a new association, or of one that is there, is made. */
export interface ConnectRegistry {
  readonly settings: TargetSettings
  subsystem(nqn: string): Subsystem | null
  association(controllerId: number): Association | null
  /** Throws KernelError ENOMEM, EBUSY. */
  create(request: AssociationRequest): Association
}

export interface Connected {
  readonly status: number
  /** Dword 0 of the completion. */
  readonly result: number
  readonly queue: {
    readonly association: Association
    readonly ring: RingQueue
    readonly qid: number
    /** Entries that the host may use. */
    readonly entries: number
    /** Completions say how far the queue was fetched. */
    readonly hasFlowControl: boolean
  } | null
}

const IN_DATA = 1 << 16
const FLOW_CONTROL_OFF = 1 << 2
const AT = { QID: 42, SQSIZE: 44, CNTLID: 16, SUBNQN: 256, HOSTNQN: 512 } as const

/** `ended` is called at once, or when the controller has made the queues. @see NVMe Base 2.1, 6.3 */
export function connect(
  registry: ConnectRegistry,
  owner: AssociationQueue & { readonly at: ListenAddress },
  entry: Uint8Array,
  data: Uint8Array,
  ended: (connected: Connected) => void,
): void {
  const command = decode(ConnectCommandLayout, entry)
  if (command.RECFMT !== 0) {
    ended(refuse(FabricsStatus.INCOMPATIBLE_FORMAT))
    return
  }
  if (data.length !== CONNECT_DATA_BYTES) {
    ended(refuse(Status.SGL_DATA_LENGTH_INVALID))
    return
  }
  const wanted = decode(ConnectDataLayout, data)
  const found = findSubsystem(registry, wanted.SUBNQN, wanted.HOSTNQN)
  if ('status' in found) {
    ended(found)
    return
  }
  const { settings } = registry
  const request = {
    at: owner.at,
    subsystem: found,
    hostNqn: wanted.HOSTNQN,
    hostId: Array.from(wanted.HOSTID, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    controllerId: wanted.CNTLID,
    qid: command.QID,
    entries: command.SQSIZE + 1,
    keepAliveMs: command.KATO,
    hasFlowControl: (command.CATTR & FLOW_CONTROL_OFF) === 0,
  }
  if (request.entries < 2 || request.entries > settings.queueEntries) {
    ended(invalid(AT.SQSIZE))
    return
  }
  try {
    if (request.qid === 0) ended(connectAdmin(registry, owner, request))
    else connectIo(registry, owner, request, ended)
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    ended(refuse(FabricsStatus.CONTROLLER_BUSY, false))
  }
}

interface ConnectRequest extends AssociationRequest {
  readonly controllerId: number
  readonly qid: number
  readonly entries: number
  readonly keepAliveMs: number
  readonly hasFlowControl: boolean
}

function findSubsystem(
  registry: ConnectRegistry,
  nqn: string,
  host: string,
): Subsystem | Connected {
  const subsystem = registry.subsystem(nqn)
  if (subsystem === null) return invalid(AT.SUBNQN | IN_DATA)
  if (host === '' || host.length > NQN_BYTES_MAX) return invalid(AT.HOSTNQN | IN_DATA)
  const { allowHosts } = subsystem
  if (allowHosts !== undefined && !allowHosts.includes(host)) {
    return refuse(FabricsStatus.CONNECT_INVALID_HOST)
  }
  return subsystem
}

function connectAdmin(
  registry: ConnectRegistry,
  owner: AssociationQueue,
  request: ConnectRequest,
): Connected {
  if (request.controllerId !== CNTLID_ANY) return invalid(AT.CNTLID | IN_DATA)
  const { entries, keepAliveMs, hasFlowControl } = request
  const association = registry.create(request)
  try {
    const ring = association.openAdmin(owner, entries, keepAliveMs)
    const queue = { association, ring, qid: 0, entries, hasFlowControl }
    return { status: 0, result: association.controllerId, queue }
  } catch (error) {
    association.end()
    throw error
  }
}

function connectIo(
  registry: ConnectRegistry,
  owner: AssociationQueue,
  request: ConnectRequest,
  ended: (connected: Connected) => void,
): void {
  const { subsystem, hostNqn, hostId, qid, entries, hasFlowControl } = request
  const association = registry.association(request.controllerId)
  const isIts =
    association !== null &&
    association.subsystem.nqn === subsystem.nqn &&
    association.hostNqn === hostNqn &&
    association.hostId === hostId
  if (subsystem === DISCOVERY_SUBSYSTEM) ended(refuse(FabricsStatus.INVALID_QUEUE_TYPE))
  else if (!isIts) ended(invalid(AT.CNTLID | IN_DATA))
  else if (qid > registry.settings.ioQueues || association.hasQueue(qid)) ended(invalid(AT.QID))
  else if (association.isClosing(qid)) ended(refuse(FabricsStatus.CONTROLLER_BUSY, false))
  else if (!association.isReady) ended(refuse(Status.COMMAND_SEQUENCE_ERROR))
  else {
    association.openIo(owner, qid, entries, (status, ring) => {
      const queue = { association, ring, qid, entries, hasFlowControl }
      ended(
        status === 0
          ? { status, result: association.controllerId, queue }
          : { status, result: 0, queue: null },
      )
    })
  }
}

function refuse(status: number, forGood = true): Connected {
  return { status: forGood ? status | STATUS_DNR : status, result: 0, queue: null }
}

/** Names the parameter: its byte, in the entry or in the data. */
function invalid(result: number): Connected {
  return { status: FabricsStatus.CONNECT_INVALID_PARAMETERS | STATUS_DNR, result, queue: null }
}
