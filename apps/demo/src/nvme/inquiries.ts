// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What can be asked of a controller: each gives one document.

import type { Op } from '@iolayers/kernel'
import {
  AdminOpcode,
  Cns,
  CommandEffectsLogLayout,
  decode,
  ErrorLogEntryLayout,
  FeatureSelect,
  FirmwareLogLayout,
  featureName,
  IDENTIFY_BYTES,
  IdCtrlLayout,
  IdNsLayout,
  LogId,
  logName,
  Nidt,
  NSID_BROADCAST,
  Reg,
  SmartLogLayout,
  SupportedLogsLayout,
  statusName,
} from '@iolayers/nvme/spec'
import { type FieldNames, showFields, showValue } from './fields.ts'
import type { Document } from './nvme-command.ts'
import type { NvmeSession } from './session.ts'

function identify(session: NvmeSession, what: string, cns: number, nsid = 0): Op<Uint8Array> {
  const command = { opcode: AdminOpcode.IDENTIFY, nsid, cdw10: cns }
  return session.read(what, command, IDENTIFY_BYTES)
}

function logPage(
  session: NvmeSession,
  what: string,
  id: number,
  lengthBytes: number,
): Op<Uint8Array> {
  const dwords = lengthBytes / 4 - 1
  const command = {
    opcode: AdminOpcode.GET_LOG_PAGE,
    nsid: NSID_BROADCAST,
    cdw10: (id | ((dwords & 0xffff) << 16)) >>> 0,
    cdw11: dwords >>> 16,
  }
  return session.read(what, command, lengthBytes)
}

/** @see nvme-cli, nvme-print-json.c json_nvme_id_ctrl */
const ID_CTRL: FieldNames<typeof IdCtrlLayout> = [
  ...(['VID', 'SSVID', 'SN', 'MN', 'FR', 'RAB', 'IEEE', 'CMIC', 'MDTS', 'CNTLID', 'VER'] as const),
  ...([
    'RTD3R',
    'RTD3E',
    'OAES',
    'CTRATT',
    'RRLS',
    'CNTRLTYPE',
    'FGUID',
    'CRDT1',
    'CRDT2',
  ] as const),
  ...([
    'CRDT3',
    'NVMSR',
    'VWCI',
    'MEC',
    'OACS',
    'ACL',
    'AERL',
    'FRMW',
    'LPA',
    'ELPE',
    'NPSS',
  ] as const),
  ...([
    'AVSCC',
    'APSTA',
    'WCTEMP',
    'CCTEMP',
    'MTFA',
    'HMPRE',
    'HMMIN',
    'TNVMCAP',
    'UNVMCAP',
  ] as const),
  ...(['RPMBS', 'EDSTT', 'DSTO', 'FWUG', 'KAS', 'HCTMA', 'MNTMT', 'MXTMT', 'SANICAP'] as const),
  ...(['HMMINDS', 'HMMAXD', 'NSETIDMAX', 'ENDGIDMAX', 'ANATT', 'ANACAP', 'ANAGRPMAX'] as const),
  ...(['NANAGRPID', 'PELS', 'DOMAINID', 'MEGCAP', 'SQES', 'CQES', 'MAXCMD', 'NN', 'ONCS'] as const),
  ...([
    'FUSES',
    'FNA',
    'VWC',
    'AWUN',
    'AWUPF',
    'ICSVSCC',
    'NWPC',
    'ACWU',
    ['ocfs', 'CDFS'],
  ] as const),
  ...(['SGLS', 'MNAN', 'MAXDNA', 'MAXCNA', 'SUBNQN', 'IOCCSZ', 'IORCSZ', 'ICDOFF'] as const),
  ...(['FCATT', 'MSDBD', 'OFCS'] as const),
]

export function* idCtrl(session: NvmeSession): Op<Document> {
  const values = decode(IdCtrlLayout, yield* identify(session, 'id-ctrl', Cns.CONTROLLER))
  const shown = showFields(ID_CTRL, values)
  // With their blanks, as the controller gives them.
  return { ...shown, sn: values.SN.padEnd(20), mn: values.MN.padEnd(40), fr: values.FR.padEnd(8) }
}

/** @see nvme-cli, nvme-print-json.c json_nvme_id_ns */
const ID_NS: FieldNames<typeof IdNsLayout> = [
  ...(['NSZE', 'NCAP', 'NUSE', 'NSFEAT', 'NLBAF', 'FLBAS', 'MC', 'DPC', 'DPS', 'NMIC'] as const),
  ...(['RESCAP', 'FPI', 'DLFEAT', 'NAWUN', 'NAWUPF', 'NACWU', 'NABSN', 'NABO', 'NABSPF'] as const),
  ...(['NOIOB', 'NVMCAP', 'MSSRL', 'MCL', 'MSRC', 'NULBAF', 'ANAGRPID', 'NSATTR'] as const),
  ...(['NVMSETID', 'ENDGID', 'NGUID', 'EUI64'] as const),
]

export function* idNs(session: NvmeSession, nsid: number): Op<Document> {
  const values = decode(IdNsLayout, yield* identify(session, 'id-ns', Cns.NAMESPACE, nsid))
  const formats = values.LBAF.slice(0, values.NLBAF + 1)
  const inUse = values.FLBAS & 0xf
  return {
    ...showFields(ID_NS, values),
    lbafs: formats.map(({ MS, LBADS, RP }, i) => ({
      ms: MS,
      ds: LBADS,
      rp: RP,
      in_use: i === inUse ? 1 : 0,
    })),
  }
}

const DESCRIPTOR_NAMES: Readonly<Record<number, string>> = {
  [Nidt.EUI64]: 'eui64',
  [Nidt.NGUID]: 'nguid',
  [Nidt.UUID]: 'uuid',
  [Nidt.CSI]: 'csi',
}

export function* nsDescs(session: NvmeSession, nsid: number): Op<Document> {
  const bytes = yield* identify(session, 'ns-descs', Cns.NAMESPACE_DESCRIPTORS, nsid)
  const descs: Document[] = []
  for (let at = 0; at < bytes.length && bytes[at + 1] !== 0; ) {
    const type = bytes[at] ?? 0
    const length = bytes[at + 1] ?? 0
    const value = bytes.subarray(at + 4, at + 4 + length)
    const name = DESCRIPTOR_NAMES[type] ?? `type ${type}`
    descs.push({ type, name, [name]: type === Nidt.CSI ? (value[0] ?? 0) : showValue(value) })
    at += 4 + length
  }
  return { 'ns-descs': descs }
}

export function* listNs(session: NvmeSession, all: boolean): Op<Document> {
  const cns = all ? Cns.ALLOCATED_NAMESPACE_LIST : Cns.ACTIVE_NAMESPACE_LIST
  const bytes = yield* identify(session, 'list-ns', cns)
  const view = new DataView(bytes.buffer)
  const nsids: number[] = []
  for (let at = 0; at < bytes.length && view.getUint32(at, true) !== 0; at += 4) {
    nsids.push(view.getUint32(at, true))
  }
  return { nsid_list: nsids.map((nsid) => ({ nsid })) }
}

/** @see nvme-cli, nvme-print-json.c json_simple_topology, json_print_list_items */
export function* list(session: NvmeSession): Op<Document> {
  const ctrl = decode(IdCtrlLayout, yield* identify(session, 'list', Cns.CONTROLLER))
  const ns = decode(IdNsLayout, yield* identify(session, 'list', Cns.NAMESPACE, 1))
  const format = ns.LBAF[ns.FLBAS & 0xf]
  const sectorSize = 2 ** (format?.LBADS ?? 0)
  return {
    Devices: [
      {
        NameSpace: 1,
        DevicePath: `/dev/${session.device}`,
        Firmware: ctrl.FR,
        ModelNumber: ctrl.MN,
        SerialNumber: ctrl.SN,
        UsedBytes: Number(ns.NUSE) * sectorSize,
        MaximumLBA: Number(ns.NSZE),
        PhysicalSize: Number(ns.NSZE) * sectorSize,
        SectorSize: sectorSize,
      },
    ],
  }
}

/** @see nvme-cli, nvme-print-json.c json_smart_log */
const SMART: FieldNames<typeof SmartLogLayout> = [
  ['critical_warning', 'CW'],
  ['temperature', 'CTEMP'],
  ['avail_spare', 'AVSP'],
  ['spare_thresh', 'AVSPT'],
  ['percent_used', 'PUSED'],
  ['endurance_grp_critical_warning_summary', 'EGCWS'],
  ['data_units_read', 'DUR'],
  ['data_units_written', 'DUW'],
  ['host_read_commands', 'HRC'],
  ['host_write_commands', 'HWC'],
  ['controller_busy_time', 'CBT'],
  ['power_cycles', 'PWRC'],
  ['power_on_hours', 'POH'],
  ['unsafe_shutdowns', 'UPL'],
  ['media_errors', 'MDIE'],
  ['num_err_log_entries', 'NEILE'],
  ['warning_temp_time', 'WCTT'],
  ['critical_comp_time', 'CCTT'],
  ['thm_temp1_trans_count', 'TMT1TC'],
  ['thm_temp2_trans_count', 'TMT2TC'],
  ['thm_temp1_total_time', 'TTTMT1'],
  ['thm_temp2_total_time', 'TTTMT2'],
]

export function* smartLog(session: NvmeSession): Op<Document> {
  const bytes = yield* logPage(session, 'smart-log', LogId.SMART, SmartLogLayout.size)
  return showFields(SMART, decode(SmartLogLayout, bytes))
}

/** @see nvme-cli, nvme-print-json.c json_error_log */
export function* errorLog(session: NvmeSession, entries: number): Op<Document> {
  const { size } = ErrorLogEntryLayout
  const bytes = yield* logPage(session, 'error-log', LogId.ERROR, entries * size)
  const errors = Array.from({ length: entries }, (_, i) => {
    const entry = decode(ErrorLogEntryLayout, bytes.subarray(i * size, (i + 1) * size))
    return {
      ...showFields(ERROR, entry),
      parm_error_location: entry.PELBY | (entry.PELBI << 8),
    }
  })
  return { errors }
}

const ERROR: FieldNames<typeof ErrorLogEntryLayout> = [
  ['error_count', 'ECNT'],
  'SQID',
  ['cmdid', 'CID'],
  ['status_field', 'STATUS'],
  ['phase_tag', 'P'],
  'LBA',
  'NSID',
  ['vs', 'VSIA'],
  'TRTYPE',
  'CSI',
  ['opcode', 'OPC'],
  ['cs', 'CSINFO'],
  ['trtype_spec_info', 'TTSI'],
  ['log_page_version', 'LPVER'],
]

export function* fwLog(session: NvmeSession): Op<Document> {
  const bytes = yield* logPage(session, 'fw-log', LogId.FIRMWARE_SLOT, FirmwareLogLayout.size)
  const revision = new TextDecoder().decode(bytes.subarray(8, 16))
  const value = new DataView(bytes.buffer).getBigUint64(8, true)
  return {
    [session.device]: {
      'Active Firmware Slot (afi)': bytes[0] ?? 0,
      'Firmware Rev Slot 1': `${value} (${revision})`,
    },
  }
}

export function* effectsLog(session: NvmeSession): Op<Document> {
  const { size } = CommandEffectsLogLayout
  const bytes = yield* logPage(session, 'effects-log', LogId.COMMANDS_SUPPORTED, size)
  const view = new DataView(bytes.buffer)
  const half = (prefix: string, at: number): Document => {
    const found: Document = {}
    for (let opcode = 0; opcode < 256; opcode++) {
      const effect = view.getUint32(at + opcode * 4, true)
      if (effect !== 0) found[`${prefix}_${opcode}`] = effect
    }
    return found
  }
  return { admin_cmd_set: half('ACS', 0), io_cmd_set: half('IOCS', 1024) }
}

export function* supportedLogPages(session: NvmeSession): Op<Document> {
  const { size } = SupportedLogsLayout
  const bytes = yield* logPage(session, 'supported-log-pages', LogId.SUPPORTED, size)
  const view = new DataView(bytes.buffer)
  const found: Document = {}
  for (let id = 0; id < 256; id++) {
    const effects = view.getUint32(id * 4, true)
    if ((effects & 1) !== 0) found[`lid_0x${id.toString(16)}`] = logName(id) ?? 'unknown'
  }
  return { supported_logs: found }
}

export function* getFeature(
  session: NvmeSession,
  id: number,
  select: number,
  nsid: number,
): Op<Document> {
  const command = { opcode: AdminOpcode.GET_FEATURES, nsid, cdw10: id | (select << 8) }
  const data = new Uint8Array(DATA_BYTES)
  const result = yield* session.admin('get-feature', { ...command, dataIn: data })
  const shown: Document = {
    feature: `0x${id.toString(16).padStart(2, '0')}`,
    name: featureName(id) ?? '',
  }
  if (select !== FeatureSelect.SUPPORTED) return { ...shown, result }
  const can = ['saveable', 'per-namespace', 'changeable'].filter(
    (_, bit) => (result & (1 << bit)) !== 0,
  )
  return { ...shown, select: can }
}

/** Room for the data of any feature. */
const DATA_BYTES = 4096

export function* setFeature(
  session: NvmeSession,
  id: number,
  value: number,
  init: { readonly nsid: number; readonly save: boolean },
): Op<Document> {
  const cdw10 = init.save ? id + 0x8000_0000 : id
  const command = { opcode: AdminOpcode.SET_FEATURES, nsid: init.nsid, cdw10, cdw11: value }
  const result = yield* session.admin('set-feature', command)
  return { feature: `0x${id.toString(16).padStart(2, '0')}`, value, result }
}

export function* getLog(session: NvmeSession, id: number, lengthBytes: number): Op<Document> {
  const bytes = yield* logPage(session, 'get-log', id, lengthBytes)
  return { log_id: id, log_len: lengthBytes, data: showValue(bytes) }
}

export function* format(
  session: NvmeSession,
  nsid: number,
  lbaf: number,
  ses: number,
): Op<Document> {
  yield* session.admin('format', {
    opcode: AdminOpcode.FORMAT_NVM,
    nsid,
    cdw10: lbaf | (ses << 9),
  })
  return { nsid, lbaf, ses, status: statusName(0) ?? 'success' }
}

const REGISTERS_64: readonly (readonly [string, number])[] = [
  ['cap', Reg.CAP],
  ['asq', Reg.ASQ],
  ['acq', Reg.ACQ],
]
const REGISTERS_32: readonly (readonly [string, number])[] = [
  // nvme-cli says `version`, which is the document's here.
  ['vs', Reg.VS],
  ['intms', Reg.INTMS],
  ['intmc', Reg.INTMC],
  ['cc', Reg.CC],
  ['csts', Reg.CSTS],
  ['nssr', Reg.NSSR],
  ['crto', Reg.CRTO],
  ['aqa', Reg.AQA],
  ['cmbloc', Reg.CMBLOC],
  ['cmbsz', Reg.CMBSZ],
]

/** @see nvme-cli, nvme-print-json.c json_ctrl_registers: hexadecimal digits, as text */
export function showRegs(session: NvmeSession): Document {
  const shown: Document = {}
  for (const [name, at] of REGISTERS_64) shown[name] = session.register64(at).toString(16)
  for (const [name, at] of REGISTERS_32) shown[name] = session.register32(at).toString(16)
  return shown
}
