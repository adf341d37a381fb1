// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a host says to a controller before it is used, and what it learns: Connect, properties, Identify.

import { type Kernel, type Op, type Scheduler, sleep } from '@iolayers/kernel'
import {
  AdminOpcode,
  Cc,
  CNTLID_ANY,
  Cns,
  CONNECT_DATA_BYTES,
  ConnectCommandLayout,
  ConnectDataLayout,
  CQES,
  Csts,
  encode,
  FabricsStatus,
  FabricsType,
  fabricsStatusName,
  IDENTIFY_BYTES,
  IdCtrl,
  PropertyGetCommandLayout,
  PropertySetCommandLayout,
  Reg,
  Shst,
  SQE_BYTES,
  SQES,
  STATUS_CODE_MASK,
  STATUS_DNR,
  statusName,
} from '../../spec/index.ts'
import { LinkError } from './link-error.ts'
import type { Dial } from './link-socket.ts'
import { type LinkDigests, type LinkResult, QueueLink } from './queue-link.ts'

/** Commands of a session's own; a host's are others. */
const OWN_COMMAND_ID = 0xffff
const POLL_NS = 1e6
const POLL_MAX_NS = 100e6
/** Entries of an admin queue. @see include/linux/nvme.h NVME_AQ_DEPTH */
export const ADMIN_ENTRIES = 32
/** What every controller takes in the capsule of an admin command. @see NVMe TCP Transport 1.1, 3.3.2 */
const ADMIN_CAPSULE_BYTES = 8192
const IOCCSZ_UNIT_BYTES = 16
const CAP_TO_UNIT_NS = 500e6
const CSI_COMMAND_SETS = 6
const CAP_CSS_NVM = 1
const SHUTDOWN_NORMAL = 1

/** Who connects, to what, and how. */
export interface SessionInit extends LinkDigests {
  /** For messages. */
  readonly address: string
  readonly subsystemNqn: string
  readonly hostNqn: string
  /** 16 bytes. */
  readonly hostId: Uint8Array
  /** 0: none. */
  readonly keepAliveMs: number
  /** For each answer. */
  readonly timeoutNs: number
}

export interface SessionComponents {
  readonly kernel: Kernel
  readonly dial: Dial
  /** Told of each connection when it begins: it may be closed at any time. */
  readonly opened?: (link: QueueLink) => void
}

/** An enabled controller, at the far end of its admin queue. */
export interface Session {
  readonly link: QueueLink
  readonly controllerId: number
  /** Entries that an I/O queue may have. */
  readonly queueEntries: number
  /** Data in the capsule of a command of an I/O queue. */
  readonly inCapsuleBytes: number
  /** 12 or more: in it MDTS is counted. */
  readonly minPageShift: number
  /** Identify Controller. */
  readonly identify: Uint8Array
}

/**
 * Connects to the admin queue of a controller, enables it, and looks at it. `lost` is told when the connection is lost later on. Throws LinkError, and
 * nothing is left then.
 * @see drivers/nvme/host/tcp.c nvme_tcp_configure_admin_queue
 */
export function* openSession(
  components: SessionComponents,
  init: SessionInit,
  lost: (error: LinkError) => void,
): Op<Session> {
  const { scheduler } = components.kernel
  const { timeoutNs } = init
  const name = `${init.subsystemNqn} at ${init.address}`
  const link = makeLink(components, init, name, lost)
  try {
    yield* link.initialised(timeoutNs)
    link.inCapsuleBytes = ADMIN_CAPSULE_BYTES
    const queue = { qid: 0, entries: ADMIN_ENTRIES, controllerId: CNTLID_ANY }
    const controllerId = yield* connectQueue(link, init, name, queue)
    const cap = yield* getProperty(link, Reg.CAP, true, timeoutNs, name)
    const css = (cap.high >>> 5) & 0xff
    const commandSets = (css & CAP_CSS_NVM) === 0 ? CSI_COMMAND_SETS : 0
    const entrySizes = (SQES << Cc.IOSQES_SHIFT) | (CQES << Cc.IOCQES_SHIFT)
    const minPageShift = 12 + ((cap.high >>> 16) & 0xf)
    const pages = (minPageShift - 12) << Cc.MPS_SHIFT
    const cc = Cc.EN | entrySizes | pages | (commandSets << Cc.CSS_SHIFT)
    yield* setProperty(link, Reg.CC, cc, timeoutNs, name)
    const readyNs = ((cap.low >>> 24) + 1) * CAP_TO_UNIT_NS
    const isReady = (csts: number): boolean => (csts & Csts.RDY) !== 0
    yield* waitStatus(scheduler, link, {
      name,
      what: 'become ready',
      isDone: isReady,
      readyNs,
      timeoutNs,
    })
    const identify = new Uint8Array(IDENTIFY_BYTES)
    const entry = new Uint8Array(SQE_BYTES)
    const view = new DataView(entry.buffer)
    view.setUint32(0, AdminOpcode.IDENTIFY | (OWN_COMMAND_ID << 16), true)
    view.setUint32(40, Cns.CONTROLLER, true)
    const result = yield* link.execute('Identify', entry, { dataIn: identify }, timeoutNs)
    if (result.status !== 0)
      throw refused(name, 'Identify Controller', statusName(result.status), result.status)
    return {
      link,
      controllerId,
      minPageShift,
      identify,
      ...capacities(identify, (cap.low & 0xffff) + 1),
    }
  } catch (error) {
    link.close()
    throw error
  }
}

/** @see NVMe Base 2.1, figure 312 (IOCCSZ, ICDOFF, MAXCMD) */
function capacities(
  identify: Uint8Array,
  entriesMax: number,
): { readonly queueEntries: number; readonly inCapsuleBytes: number } {
  const view = new DataView(identify.buffer)
  const commandsMax = view.getUint16(IdCtrl.MAXCMD, true)
  const capsuleBytes = view.getUint32(IdCtrl.IOCCSZ, true) * IOCCSZ_UNIT_BYTES
  const offset = view.getUint16(IdCtrl.ICDOFF, true)
  return {
    queueEntries: commandsMax === 0 ? entriesMax : Math.min(entriesMax, commandsMax),
    // Data that does not follow the entry at once could not be placed over TCP.
    inCapsuleBytes: offset === 0 ? Math.max(0, capsuleBytes - SQE_BYTES) : 0,
  }
}

/** Which queue a Connect is for. */
export interface ConnectQueue {
  readonly qid: number
  readonly entries: number
  readonly controllerId: number
}

/** Connects an I/O queue of a session. Throws LinkError, and nothing is left then. @see drivers/nvme/host/tcp.c nvme_tcp_start_queue */
export function* openQueue(
  components: SessionComponents,
  init: SessionInit,
  session: Session,
  queue: { readonly qid: number; readonly entries: number },
  lost: (error: LinkError) => void,
): Op<QueueLink> {
  const { controllerId } = session
  const name = `queue ${queue.qid} of ${init.subsystemNqn} at ${init.address}`
  const link = makeLink(components, init, name, lost)
  try {
    yield* link.initialised(init.timeoutNs)
    link.inCapsuleBytes = CONNECT_DATA_BYTES
    yield* connectQueue(link, init, name, { ...queue, controllerId })
    link.inCapsuleBytes = session.inCapsuleBytes
    return link
  } catch (error) {
    link.close()
    throw error
  }
}

/** What the controller has cached is safe afterwards. Throws LinkError. @see NVMe Base 2.1, 3.6 */
export function* shutDown(scheduler: Scheduler, { link }: Session, init: SessionInit): Op<void> {
  const { timeoutNs } = init
  const name = `${init.subsystemNqn} at ${init.address}`
  const { low } = yield* getProperty(link, Reg.CC, false, timeoutNs, name)
  const cc = (low & ~(3 << Cc.SHN_SHIFT)) | (SHUTDOWN_NORMAL << Cc.SHN_SHIFT)
  yield* setProperty(link, Reg.CC, cc, timeoutNs, name)
  const complete = Shst.COMPLETE << Csts.SHST_SHIFT
  const isDone = (csts: number): boolean => (csts & Csts.SHST_MASK) === complete
  yield* waitStatus(scheduler, link, {
    name,
    what: 'shut down',
    isDone,
    readyNs: timeoutNs,
    timeoutNs,
  })
}

function makeLink(
  { kernel, dial, opened }: SessionComponents,
  { headerDigest, dataDigest }: SessionInit,
  name: string,
  lost: (error: LinkError) => void,
): QueueLink {
  const link = new QueueLink(
    { scheduler: kernel.scheduler, dial },
    { name, headerDigest, dataDigest },
    lost,
  )
  opened?.(link)
  return link
}

/** Returns the controller's identifier. @see NVMe Base 2.1, 6.3; drivers/nvme/host/fabrics.c nvmf_connect_admin_queue */
function* connectQueue(
  link: QueueLink,
  init: SessionInit,
  name: string,
  { qid, entries, controllerId }: ConnectQueue,
): Op<number> {
  const entry = encode(ConnectCommandLayout, {
    OPC: AdminOpcode.FABRICS,
    PSDT: 1,
    CID: OWN_COMMAND_ID,
    FCTYPE: FabricsType.CONNECT,
    SGL1: new Uint8Array(16),
    RECFMT: 0,
    QID: qid,
    SQSIZE: entries - 1,
    CATTR: 0,
    KATO: qid === 0 ? init.keepAliveMs : 0,
  })
  const dataOut = encode(ConnectDataLayout, {
    HOSTID: init.hostId,
    CNTLID: controllerId,
    SUBNQN: init.subsystemNqn,
    HOSTNQN: init.hostNqn,
  })
  const { status, low } = yield* link.execute('Connect', entry, { dataOut }, init.timeoutNs)
  if (status === 0) {
    // Authentication or a secure channel, which there is no way to do.
    if (low >>> 16 === 0) return low & 0xffff
    const text = `${name}: the controller demands authentication, which is not there`
    throw new LinkError('EOPNOTSUPP', text, true)
  }
  throw refused(
    name,
    'Connect',
    `${fabricsStatusName(status)}${wrongParameter(status, low)}`,
    status,
  )
}

/** Which one: IPO and IATTR. */
function wrongParameter(status: number, low: number): string {
  if ((status & STATUS_CODE_MASK) !== FabricsStatus.CONNECT_INVALID_PARAMETERS) return ''
  const isData = (low & 0x1_0000) !== 0
  const at = low & 0xffff
  const { SUBNQN, HOSTNQN, CNTLID } = ConnectDataLayout.fields
  const known = [
    [SUBNQN.at, 'there is no such subsystem'],
    [HOSTNQN.at, 'the name of the host'],
    [CNTLID.at, 'the controller identifier'],
  ] as const
  const name = isData ? known.find(([offset]) => offset === at)?.[1] : undefined
  return ` (${name ?? `byte ${at} of the ${isData ? 'data' : 'command'}`})`
}

function refused(name: string, what: string, why: string, status: number): LinkError {
  const isForGood = (status & STATUS_DNR) !== 0
  const code = (status & STATUS_CODE_MASK) === FabricsStatus.CONNECT_INVALID_HOST ? 'EACCES' : 'EIO'
  return new LinkError(code, `${name}: ${what} was refused: ${why}`, isForGood)
}

function* getProperty(
  link: QueueLink,
  offset: number,
  isLong: boolean,
  timeoutNs: number,
  name: string,
): Op<LinkResult> {
  const entry = encode(PropertyGetCommandLayout, {
    OPC: AdminOpcode.FABRICS,
    PSDT: 1,
    CID: OWN_COMMAND_ID,
    FCTYPE: FabricsType.PROPERTY_GET,
    ATTRIB: isLong ? 1 : 0,
    OFST: offset,
  })
  const result = yield* link.execute('Property Get', entry, {}, timeoutNs)
  if (result.status === 0) return result
  throw refused(name, 'Property Get', fabricsStatusName(result.status), result.status)
}

function* setProperty(
  link: QueueLink,
  offset: number,
  value: number,
  timeoutNs: number,
  name: string,
): Op<void> {
  const entry = encode(PropertySetCommandLayout, {
    OPC: AdminOpcode.FABRICS,
    PSDT: 1,
    CID: OWN_COMMAND_ID,
    FCTYPE: FabricsType.PROPERTY_SET,
    ATTRIB: 0,
    OFST: offset,
    VALUE: BigInt(value >>> 0),
  })
  const { status } = yield* link.execute('Property Set', entry, {}, timeoutNs)
  if (status !== 0) throw refused(name, 'Property Set', fabricsStatusName(status), status)
}

/** Looks at CSTS again and again. */
function* waitStatus(
  scheduler: Scheduler,
  link: QueueLink,
  init: {
    readonly name: string
    readonly what: string
    readonly isDone: (csts: number) => boolean
    readonly readyNs: number
    readonly timeoutNs: number
  },
): Op<void> {
  const deadline = scheduler.nowNs() + init.readyNs
  for (let delayNs = POLL_NS; ; delayNs = Math.min(2 * delayNs, POLL_MAX_NS)) {
    const { low } = yield* getProperty(link, Reg.CSTS, false, init.timeoutNs, init.name)
    if (init.isDone(low)) return
    const csts = `CSTS=0x${low.toString(16)}`
    if ((low & Csts.CFS) !== 0)
      throw new LinkError('EIO', `${init.name}: controller fatal status, ${csts}`)
    if (scheduler.nowNs() >= deadline) {
      throw new LinkError('ETIMEDOUT', `${init.name}: it did not ${init.what} in time, ${csts}`)
    }
    yield* sleep(scheduler, delayNs)
  }
}
