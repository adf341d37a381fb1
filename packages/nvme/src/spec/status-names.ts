// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The specification's words for status values.

import { STATUS_CODE_MASK } from './status.ts'

/**
 * Status values of Fabrics commands: the same numbers mean something else for I/O commands.
 * @see NVMe Base 2.1, 4.2.3
 */
export const FabricsStatus = {
  /** NVME_SC_CONNECT_FORMAT in Linux. */
  INCOMPATIBLE_FORMAT: 0x180,
  /** NVME_SC_CONNECT_CTRL_BUSY in Linux. */
  CONTROLLER_BUSY: 0x181,
  /** NVME_SC_CONNECT_INVALID_PARAM in Linux. */
  CONNECT_INVALID_PARAMETERS: 0x182,
  /** NVME_SC_CONNECT_RESTART_DISC in Linux. */
  CONNECT_RESTART_DISCOVERY: 0x183,
  CONNECT_INVALID_HOST: 0x184,
  INVALID_QUEUE_TYPE: 0x185,
  /** NVME_SC_DISCOVERY_RESTART in Linux. */
  DISCOVER_RESTART: 0x190,
  /** NVME_SC_AUTH_REQUIRED in Linux. */
  AUTHENTICATION_REQUIRED: 0x191,
} as const

const NAMES: { readonly [status: number]: string } = {
  0: 'Successful Completion',
  1: 'Invalid Command Opcode',
  2: 'Invalid Field in Command',
  3: 'Command ID Conflict',
  4: 'Data Transfer Error',
  5: 'Commands Aborted due to Power Loss Notification',
  6: 'Internal Error',
  7: 'Command Abort Requested',
  8: 'Command Aborted due to SQ Deletion',
  9: 'Command Aborted due to Failed Fused Command',
  10: 'Command Aborted due to Missing Fused Command',
  11: 'Invalid Namespace or Format',
  12: 'Command Sequence Error',
  13: 'Invalid SGL Segment Descriptor',
  14: 'Invalid Number of SGL Descriptors',
  15: 'Data SGL Length Invalid',
  16: 'Metadata SGL Length Invalid',
  17: 'SGL Descriptor Type Invalid',
  18: 'Invalid Use of Controller Memory Buffer',
  19: 'PRP Offset Invalid',
  20: 'Atomic Write Unit Exceeded',
  21: 'Operation Denied',
  22: 'SGL Offset Invalid',
  24: 'Host Identifier Inconsistent Format',
  25: 'Keep Alive Timer Expired',
  26: 'Keep Alive Timeout Invalid',
  27: 'Command Aborted due to Preempt and Abort',
  28: 'Sanitize Failed',
  29: 'Sanitize In Progress',
  30: 'SGL Data Block Granularity Invalid',
  31: 'Command Not Supported for Queue in CMB',
  32: 'Namespace is Write Protected',
  33: 'Command Interrupted',
  34: 'Transient Transport Error',
  35: 'Command Prohibited by Command and Feature Lockdown',
  36: 'Admin Command Media Not Ready',
  37: 'Invalid Key Tag',
  38: 'Host Dispersed Namespace Support Not Enabled',
  39: 'Host Identifier Not Initialized',
  40: 'Incorrect Key',
  41: 'FDP Disabled',
  42: 'Invalid Placement Handle List',
  128: 'LBA Out of Range',
  129: 'Capacity Exceeded',
  130: 'Namespace Not Ready',
  131: 'Reservation Conflict',
  132: 'Format In Progress',
  133: 'Invalid Value Size',
  134: 'Invalid Key Size',
  135: 'KV Key Does Not Exist',
  136: 'Unrecovered Error',
  137: 'Key Exists',
  256: 'Completion Queue Invalid',
  257: 'Invalid Queue Identifier',
  258: 'Invalid Queue Size',
  259: 'Abort Command Limit Exceeded',
  261: 'Asynchronous Event Request Limit Exceeded',
  262: 'Invalid Firmware Slot',
  263: 'Invalid Firmware Image',
  264: 'Invalid Interrupt Vector',
  265: 'Invalid Log Page',
  266: 'Invalid Format',
  267: 'Firmware Activation Requires Conventional Reset',
  268: 'Invalid Queue Deletion',
  269: 'Feature Identifier Not Saveable',
  270: 'Feature Not Changeable',
  271: 'Feature Not Namespace Specific',
  272: 'Firmware Activation Requires NVM Subsystem Reset',
  273: 'Firmware Activation Requires Controller Level Reset',
  274: 'Firmware Activation Requires Maximum Time Violation',
  275: 'Firmware Activation Prohibited',
  276: 'Overlapping Range',
  277: 'Namespace Insufficient Capacity',
  278: 'Namespace Identifier Unavailable',
  280: 'Namespace Already Attached',
  281: 'Namespace Is Private',
  282: 'Namespace Not Attached',
  283: 'Thin Provisioning Not Supported',
  284: 'Controller List Invalid',
  285: 'Device Self-test In Progress',
  286: 'Boot Partition Write Prohibited',
  287: 'Invalid Controller Identifier',
  288: 'Invalid Secondary Controller State',
  289: 'Invalid Number of Controller Resources',
  290: 'Invalid Resource Identifier',
  291: 'Sanitize Prohibited While Persistent Memory Region is Enabled',
  292: 'ANA Group Identifier Invalid',
  293: 'ANA Attach Failed',
  294: 'Insufficient Capacity',
  295: 'Namespace Attachment Limit Exceeded',
  296: 'Prohibition of Command Execution Not Supported',
  297: 'I/O Command Set Not Supported',
  298: 'I/O Command Set Not Enabled',
  299: 'I/O Command Set Combination Rejected',
  300: 'Invalid I/O Command Set',
  301: 'Identifier Unavailable',
  302: 'Namespace Is Dispersed',
  303: 'Invalid Discovery Information',
  304: 'Zoning Data Structure Locked',
  305: 'Zoning Data Structure Not Found',
  306: 'Insufficient Discovery Resources',
  307: 'Requested Function Disabled',
  308: 'ZoneGroup Originator Invalid',
  309: 'Invalid Host',
  310: 'Invalid NVM Subsystem',
  311: 'Invalid Controller Data Queue',
  312: 'Not Enough Resources',
  313: 'Controller Suspended',
  314: 'Controller Not Suspended',
  315: 'Controller Data Queue Full',
  384: 'Conflicting Attributes',
  385: 'Invalid Protection Information',
  386: 'Attempted Write to Read Only Range',
  387: 'Command Size Limit Exceeded',
  388: 'Invalid Command ID',
  389: 'Incompatible Namespace or Format',
  390: 'Fast Copy Not Possible',
  391: 'Overlapping I/O Range',
  392: 'Namespace Not Reachable',
  393: 'Insufficient Resources',
  394: 'Insufficient Program Resources',
  395: 'Invalid Memory Namespace',
  396: 'Invalid Memory Range Set',
  397: 'Invalid Memory Range Set Identifier',
  398: 'Invalid Program Data',
  399: 'Invalid Program Index',
  400: 'Invalid Program Type',
  401: 'Maximum Memory Ranges Exceeded',
  402: 'Maximum Memory Range Sets Exceeded',
  403: 'Maximum Programs Activated',
  404: 'Maximum Program Bytes Exceeded',
  405: 'Memory Range Set In Use',
  406: 'No Program',
  407: 'Overlapping Memory Ranges',
  408: 'Program Not Activated',
  409: 'Program In Use',
  410: 'Program Index Not Downloadable',
  411: 'Program Too Big',
  412: 'Successful Media Verification Read',
  440: 'Zoned Boundary Error',
  441: 'Zone Is Full',
  442: 'Zone Is Read Only',
  443: 'Zone Is Offline',
  444: 'Zone Invalid Write',
  445: 'Too Many Active Zones',
  446: 'Too Many Open Zones',
  447: 'Invalid Zone State Transition',
  640: 'Write Fault',
  641: 'Unrecovered Read Error',
  642: 'End-to-end Guard Check Error',
  643: 'End-to-end Application Tag Check Error',
  644: 'End-to-end Reference Tag Check Error',
  645: 'Compare Failure',
  646: 'Access Denied',
  647: 'Deallocated or Unwritten Logical Block',
  648: 'End-to-End Storage Tag Check Error',
  768: 'Internal Path Error',
  769: 'Asymmetric Access Persistent Loss',
  770: 'Asymmetric Access Inaccessible',
  771: 'Asymmetric Access Transition',
  864: 'Controller Pathing Error',
  880: 'Host Pathing Error',
  881: 'Command Aborted By Host',
}

const FABRICS_NAMES: { readonly [status: number]: string } = {
  384: 'Incompatible Format',
  385: 'Controller Busy',
  386: 'Connect Invalid Parameters',
  387: 'Connect Restart Discovery',
  388: 'Connect Invalid Host',
  389: 'Invalid Queue Type',
  400: 'Discover Restart',
  401: 'Authentication Required',
}

const VENDOR_SPECIFIC = 0xc0

/**
 * The specification's name of a status (type and code, `type << 8 | code`; DNR, More and CRD are
 * dropped): `Vendor Specific` or `Reserved` with the numbers when it has none.
 */
export function statusName(status: number): string {
  return nameOf(NAMES, status)
}

/** As statusName, for the completion of a Fabrics command. */
export function fabricsStatusName(status: number): string {
  return FABRICS_NAMES[status & STATUS_CODE_MASK] ?? nameOf(NAMES, status)
}

function nameOf(names: { readonly [status: number]: string }, status: number): string {
  const value = status & STATUS_CODE_MASK
  const name = names[value]
  if (name !== undefined) return name
  const type = value >>> 8
  const code = value & 0xff
  const kind = type === 7 || code >= VENDOR_SPECIFIC ? 'Vendor Specific' : 'Reserved'
  return `${kind} (SCT ${type.toString(16)}h, SC ${code.toString(16).padStart(2, '0')}h)`
}
