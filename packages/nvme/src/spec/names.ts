// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The specification's words for opcodes and identifiers; undefined for those it has none for.

const ADMIN: { readonly [value: number]: string } = {
  0: 'Delete I/O Submission Queue',
  1: 'Create I/O Submission Queue',
  2: 'Get Log Page',
  4: 'Delete I/O Completion Queue',
  5: 'Create I/O Completion Queue',
  6: 'Identify',
  8: 'Abort',
  9: 'Set Features',
  10: 'Get Features',
  12: 'Asynchronous Event Request',
  13: 'Namespace Management',
  16: 'Firmware Commit',
  17: 'Firmware Image Download',
  20: 'Device Self-test',
  21: 'Namespace Attachment',
  24: 'Keep Alive',
  25: 'Directive Send',
  26: 'Directive Receive',
  28: 'Virtualization Management',
  29: 'NVMe-MI Send',
  30: 'NVMe-MI Receive',
  32: 'Capacity Management',
  33: 'Discovery Information Management',
  34: 'Fabric Zoning Receive',
  36: 'Lockdown',
  37: 'Fabric Zoning Lookup',
  40: 'Clear Exported NVM Resource Configuration',
  41: 'Fabric Zoning Send',
  42: 'Create Exported NVM Subsystem',
  45: 'Manage Exported NVM Subsystem',
  49: 'Manage Exported Namespace',
  53: 'Manage Exported Port',
  57: 'Send Discovery Log Page',
  61: 'Track Send',
  62: 'Track Receive',
  65: 'Migration Send',
  66: 'Migration Receive',
  69: 'Controller Data Queue',
  124: 'Doorbell Buffer Config',
  127: 'Fabrics Commands',
  128: 'Format NVM',
  129: 'Security Send',
  130: 'Security Receive',
  132: 'Sanitize',
  133: 'Load Program',
  134: 'Get LBA Status',
  136: 'Program Activation Management',
  137: 'Memory Range Set Management',
}

/** @see NVMe Base 2.1, figure 141 */
export function adminOpcodeName(value: number): string | undefined {
  return ADMIN[value]
}

const NVM: { readonly [value: number]: string } = {
  0: 'Flush',
  1: 'Write',
  2: 'Read',
  4: 'Write Uncorrectable',
  5: 'Compare',
  8: 'Write Zeroes',
  9: 'Dataset Management',
  12: 'Verify',
  13: 'Reservation Register',
  14: 'Reservation Report',
  17: 'Reservation Acquire',
  18: 'I/O Management Receive',
  21: 'Reservation Release',
  24: 'Cancel',
  25: 'Copy',
  29: 'I/O Management Send',
}

/** @see NVM Command Set 1.1, 3.1 */
export function nvmOpcodeName(value: number): string | undefined {
  return NVM[value]
}

const CNS: { readonly [value: number]: string } = {
  0: 'Identify Namespace',
  1: 'Identify Controller',
  2: 'Active Namespace ID list',
  3: 'Namespace Identification Descriptor list',
  4: 'NVM Set List',
  5: 'I/O Command Set specific Identify Namespace',
  6: 'I/O Command Set specific Identify Controller',
  7: 'Active Namespace ID list associated with an I/O Command Set',
  8: 'I/O Command Set Independent Identify Namespace',
  9: 'Identify Namespace for a User Data Format',
  10: 'I/O Command Set specific Identify Namespace for a User Data Format',
  16: 'Allocated Namespace ID list',
  17: 'Identify Namespace for an allocated namespace',
  18: 'Controller List of a namespace',
  19: 'Controller List of the NVM subsystem',
  20: 'Primary Controller Capabilities',
  21: 'Secondary Controller list',
  22: 'Namespace Granularity List',
  23: 'UUID List',
  24: 'Domain List',
  25: 'Endurance Group List',
  26: 'I/O Command Set specific Allocated Namespace ID list',
  27: 'I/O Command Set specific Identify Namespace for an allocated namespace',
  28: 'Identify I/O Command Set',
  29: 'Underlying Namespace List',
  30: 'Ports List',
  31: 'I/O Command Set Independent Identify Namespace for an allocated namespace',
  32: 'Supported Controller State Formats',
}

/** What an Identify returns. @see NVMe Base 2.1, figure 310 */
export function cnsName(value: number): string | undefined {
  return CNS[value]
}

const LOGS: { readonly [value: number]: string } = {
  0: 'Supported Log Pages',
  1: 'Error Information',
  2: 'SMART / Health Information',
  3: 'Firmware Slot Information',
  4: 'Changed Attached Namespace List',
  5: 'Commands Supported and Effects',
  6: 'Device Self-test',
  7: 'Telemetry Host-Initiated',
  8: 'Telemetry Controller-Initiated',
  9: 'Endurance Group Information',
  10: 'Predictable Latency Per NVM Set',
  11: 'Predictable Latency Event Aggregate',
  12: 'Asymmetric Namespace Access',
  13: 'Persistent Event',
  14: 'LBA Status Information',
  15: 'Endurance Group Event Aggregate',
  16: 'Media Unit Status',
  17: 'Supported Capacity Configuration List',
  18: 'Feature Identifiers Supported and Effects',
  19: 'NVMe-MI Commands Supported and Effects',
  20: 'Command and Feature Lockdown',
  21: 'Boot Partition',
  22: 'Rotational Media Information',
  23: 'Dispersed Namespace Participating NVM Subsystems',
  24: 'Management Address List',
  25: 'Physical Interface Receiver Eye Opening Measurement',
  26: 'Reachability Groups',
  27: 'Reachability Associations',
  28: 'Changed Allocated Namespace List',
  32: 'FDP Configurations',
  33: 'Reclaim Unit Handle Usage',
  34: 'FDP Statistics',
  35: 'FDP Events',
  112: 'Discovery',
  113: 'Host Discovery',
  114: 'AVE Discovery',
  115: 'Pull Model DDC Request',
  128: 'Reservation Notification',
  129: 'Sanitize Status',
}

/** @see NVMe Base 2.1, figure 202 */
export function logName(value: number): string | undefined {
  return LOGS[value]
}

const FEATURES: { readonly [value: number]: string } = {
  1: 'Arbitration',
  2: 'Power Management',
  3: 'LBA Range Type',
  4: 'Temperature Threshold',
  5: 'Error Recovery',
  6: 'Volatile Write Cache',
  7: 'Number of Queues',
  8: 'Interrupt Coalescing',
  9: 'Interrupt Vector Configuration',
  10: 'Write Atomicity Normal',
  11: 'Asynchronous Event Configuration',
  12: 'Autonomous Power State Transition',
  13: 'Host Memory Buffer',
  14: 'Timestamp',
  15: 'Keep Alive Timer',
  16: 'Host Controlled Thermal Management',
  17: 'Non-Operational Power State Config',
  18: 'Read Recovery Level Config',
  19: 'Predictable Latency Mode Config',
  20: 'Predictable Latency Mode Window',
  21: 'LBA Status Information Attributes',
  22: 'Host Behavior Support',
  23: 'Sanitize Config',
  24: 'Endurance Group Event Configuration',
  25: 'I/O Command Set Profile',
  26: 'Spinup Control',
  27: 'Power Loss Signaling Config',
  28: 'Performance Characteristics',
  29: 'Flexible Data Placement',
  30: 'Flexible Data Placement Events',
  31: 'Namespace Admin Label',
  32: 'Key Value Configuration',
  33: 'Controller Data Queue',
  120: 'Embedded Management Controller Address',
  121: 'Host Management Agent Address',
  125: 'Enhanced Controller Metadata',
  126: 'Controller Metadata',
  127: 'Namespace Metadata',
  128: 'Software Progress Marker',
  129: 'Host Identifier',
  130: 'Reservation Notification Mask',
  131: 'Reservation Persistence',
  132: 'Namespace Write Protection Config',
  133: 'Boot Partition Write Protection Config',
}

/** @see NVMe Base 2.1, figure 385 */
export function featureName(value: number): string | undefined {
  return FEATURES[value]
}
