// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The values of features: dword 11 of Set Features (and further dwords where they are named so),
// which is also dword 0 of the completion of Get Features unless another layout is given for that.

/** @see NVMe Base 2.1, figure 195 */
export const FeatureCapabilitiesLayout = {
  name: 'Get Features completion dword 0, Select 3',
  size: 4,
  fields: {
    SAVBL: { at: 0, bits: 1 },
    NSSPEC: { at: 0, shift: 1, bits: 1 },
    CHANGBL: { at: 0, shift: 2, bits: 1 },
  },
} as const

/**
 * AB is a power of two of commands (7: no limit); the weights are 0's based.
 * @see NVMe Base 2.1, figure 386
 */
export const ArbitrationLayout = {
  name: 'Arbitration',
  size: 4,
  fields: {
    AB: { at: 0, bits: 3 },
    LPW: { at: 1, bits: 8 },
    MPW: { at: 2, bits: 8 },
    HPW: { at: 3, bits: 8 },
  },
} as const

/** @see NVMe Base 2.1, figure 387 */
export const PowerManagementLayout = {
  name: 'Power Management',
  size: 4,
  fields: {
    PS: { at: 0, bits: 5 },
    WH: { at: 0, shift: 5, bits: 3 },
  },
} as const

/**
 * Kelvin. THSEL 0: over, 1: under. TMPTHH is new in NVMe Base 2.1.
 * @see NVMe Base 2.1, figure 389
 */
export const TemperatureThresholdLayout = {
  name: 'Temperature Threshold',
  size: 4,
  fields: {
    TMPTH: { at: 0, bits: 16 },
    TMPSEL: { at: 0, shift: 16, bits: 4 },
    THSEL: { at: 0, shift: 20, bits: 2 },
    TMPTHH: { at: 0, shift: 22, bits: 3 },
  },
} as const

/** TLER is in units of 100 ms. @see NVM Command Set 1.1, figure 96 */
export const ErrorRecoveryLayout = {
  name: 'Error Recovery',
  size: 4,
  fields: {
    TLER: { at: 0, bits: 16 },
    DULBE: { at: 0, shift: 16, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 390 */
export const VolatileWriteCacheLayout = {
  name: 'Volatile Write Cache',
  size: 4,
  fields: {
    WCE: { at: 0, bits: 1 },
  },
} as const

/** How many are asked for, 0's based. @see NVMe Base 2.1, figure 443 */
export const NumberOfQueuesRequestLayout = {
  name: 'Number of Queues dword 11',
  size: 4,
  fields: {
    NSQR: { at: 0, bits: 16 },
    NCQR: { at: 2, bits: 16 },
  },
} as const

/** How many there are, 0's based. @see NVMe Base 2.1, figure 444 */
export const NumberOfQueuesLayout = {
  name: 'Number of Queues completion dword 0',
  size: 4,
  fields: {
    NSQA: { at: 0, bits: 16 },
    NCQA: { at: 2, bits: 16 },
  },
} as const

/** THR is 0's based; TIME is in units of 100 us. @see NVMe Base 2.1, figure 445 */
export const InterruptCoalescingLayout = {
  name: 'Interrupt Coalescing',
  size: 4,
  fields: {
    THR: { at: 0, bits: 8 },
    TIME: { at: 1, bits: 8 },
  },
} as const

/** CD: this vector is not coalesced. @see NVMe Base 2.1, figure 446 */
export const InterruptVectorLayout = {
  name: 'Interrupt Vector Configuration',
  size: 4,
  fields: {
    IV: { at: 0, bits: 16 },
    CD: { at: 0, shift: 16, bits: 1 },
  },
} as const

/** DN: the host does not need AWUN and NAWUN. @see NVM Command Set 1.1, figure 97 */
export const WriteAtomicityLayout = {
  name: 'Write Atomicity Normal',
  size: 4,
  fields: {
    DN: { at: 0, bits: 1 },
  },
} as const

/** SHCW has the bits of the SMART log's critical warnings. @see NVMe Base 2.1, figure 391 */
export const AsyncEventConfigurationLayout = {
  name: 'Asynchronous Event Configuration',
  size: 4,
  fields: {
    SHCW: { at: 0, bits: 8 },
    NAN: { at: 0, shift: 8, bits: 1 },
    FAN: { at: 0, shift: 9, bits: 1 },
    TLN: { at: 0, shift: 10, bits: 1 },
    ANACN: { at: 0, shift: 11, bits: 1 },
    PLEALCN: { at: 0, shift: 12, bits: 1 },
    LSIAN: { at: 0, shift: 13, bits: 1 },
    EGEALCN: { at: 0, shift: 14, bits: 1 },
    NNSSHDN: { at: 0, shift: 15, bits: 1 },
    TTHRY: { at: 0, shift: 16, bits: 1 },
    RASSN: { at: 0, shift: 17, bits: 1 },
    RGRP0: { at: 0, shift: 18, bits: 1 },
    ANSAN: { at: 0, shift: 19, bits: 1 },
    ZDCN: { at: 0, shift: 27, bits: 1 },
    PMDRLPCN: { at: 0, shift: 28, bits: 1 },
    ADLPCN: { at: 0, shift: 29, bits: 1 },
    HDLPCN: { at: 0, shift: 30, bits: 1 },
    DLPCN: { at: 0, shift: 31, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 392 */
export const AutonomousPowerStateLayout = {
  name: 'Autonomous Power State Transition',
  size: 4,
  fields: {
    APSTE: { at: 0, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 447 */
export const HostMemoryBufferLayout = {
  name: 'Host Memory Buffer',
  size: 4,
  fields: {
    EHM: { at: 0, bits: 1 },
    MR: { at: 0, shift: 1, bits: 1 },
    HMNARE: { at: 0, shift: 2, bits: 1 },
  },
} as const

/** Milliseconds; 0 stops the timer. @see NVMe Base 2.1, figure 397 */
export const KeepAliveTimerLayout = {
  name: 'Keep Alive Timer',
  size: 4,
  fields: {
    KATO: { at: 0, bits: 32 },
  },
} as const

/** Kelvin. @see NVMe Base 2.1, figure 398 */
export const ThermalManagementLayout = {
  name: 'Host Controlled Thermal Management',
  size: 4,
  fields: {
    TMT2: { at: 0, bits: 16 },
    TMT1: { at: 2, bits: 16 },
  },
} as const

/** @see NVMe Base 2.1, figure 399 */
export const NonOperationalPowerLayout = {
  name: 'Non-Operational Power State Config',
  size: 4,
  fields: {
    NOPPME: { at: 0, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 401 */
export const ReadRecoveryLevelLayout = {
  name: 'Read Recovery Level Config dword 12',
  size: 4,
  fields: {
    RRL: { at: 0, bits: 4 },
  },
} as const

/** @see NVMe Base 2.1, figure 403 */
export const PredictableLatencyLayout = {
  name: 'Predictable Latency Mode Config dword 12',
  size: 4,
  fields: {
    PLE: { at: 0, bits: 1 },
  },
} as const

/** Units of 100 ms. @see NVM Command Set 1.1, figure 99 */
export const LbaStatusAttributesLayout = {
  name: 'LBA Status Information Attributes',
  size: 4,
  fields: {
    LSIRI: { at: 0, bits: 16 },
    LSIPI: { at: 2, bits: 16 },
  },
} as const

/** @see NVMe Base 2.1, figure 408 */
export const SanitizeConfigLayout = {
  name: 'Sanitize Config',
  size: 4,
  fields: {
    NODRM: { at: 0, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 409 */
export const EnduranceGroupEventsLayout = {
  name: 'Endurance Group Event Configuration',
  size: 4,
  fields: {
    ENDGID: { at: 0, bits: 16 },
    EGCW: { at: 2, bits: 8 },
  },
} as const

/** The index of a combination of CNS 1Ch. @see NVMe Base 2.1, figure 410 */
export const IoCommandSetProfileLayout = {
  name: 'I/O Command Set Profile',
  size: 4,
  fields: {
    IOCSCI: { at: 0, bits: 9 },
  },
} as const

/** @see NVMe Base 2.1, figure 412 */
export const SpinupControlLayout = {
  name: 'Spinup Control',
  size: 4,
  fields: {
    SPINUP: { at: 0, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 414 */
export const PowerLossSignalingLayout = {
  name: 'Power Loss Signaling Config',
  size: 4,
  fields: {
    PLSM: { at: 0, bits: 2 },
  },
} as const

/** @see NVMe Base 2.1, figure 436 */
export const SoftwareProgressLayout = {
  name: 'Software Progress Marker',
  size: 4,
  fields: {
    PBSLC: { at: 0, bits: 8 },
  },
} as const

/** EXHID: 16 bytes of identifier, else 8. @see NVMe Base 2.1, figure 437 */
export const HostIdentifierLayout = {
  name: 'Host Identifier',
  size: 4,
  fields: {
    EXHID: { at: 0, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 439 */
export const ReservationNotificationLayout = {
  name: 'Reservation Notification Mask',
  size: 4,
  fields: {
    REGPRE: { at: 0, shift: 1, bits: 1 },
    RESREL: { at: 0, shift: 2, bits: 1 },
    RESPRE: { at: 0, shift: 3, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 440 */
export const ReservationPersistenceLayout = {
  name: 'Reservation Persistence',
  size: 4,
  fields: {
    PTPL: { at: 0, bits: 1 },
  },
} as const

/** 0 none, 1 protected, 2 until a power cycle, 3 for ever. @see NVMe Base 2.1, figure 441 */
export const WriteProtectionLayout = {
  name: 'Namespace Write Protection Config',
  size: 4,
  fields: {
    WPS: { at: 0, bits: 3 },
  },
} as const

/** @see NVMe Base 2.1, figure 442 */
export const BootPartitionProtectionLayout = {
  name: 'Boot Partition Write Protection Config',
  size: 4,
  fields: {
    BP0WPS: { at: 0, bits: 3 },
    BP1WPS: { at: 0, shift: 3, bits: 3 },
  },
} as const
