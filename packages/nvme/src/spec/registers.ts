// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * Offsets of the controller's registers in its BAR.
 * @see NVMe over PCIe Transport 1.1, 3.1; NVMe Base 2.1, 3.1.4
 */
export const Reg = {
  CAP: 0x00,
  VS: 0x08,
  INTMS: 0x0c,
  INTMC: 0x10,
  CC: 0x14,
  CSTS: 0x1c,
  NSSR: 0x20,
  AQA: 0x24,
  ASQ: 0x28,
  ACQ: 0x30,
  CMBLOC: 0x38,
  CMBSZ: 0x3c,
  BPINFO: 0x40,
  BPRSEL: 0x44,
  BPMBL: 0x48,
  CMBMSC: 0x50,
  CMBSTS: 0x58,
  CMBEBS: 0x5c,
  CMBSWTP: 0x60,
  NSSD: 0x64,
  CRTO: 0x68,
  PMRCAP: 0xe00,
  PMRCTL: 0xe04,
  PMRSTS: 0xe08,
  PMREBS: 0xe0c,
  PMRSWTP: 0xe10,
  PMRMSCL: 0xe14,
  PMRMSCU: 0xe18,
  /** First doorbell: the admin submission queue's tail. */
  DBS: 0x1000,
} as const

/** Major 2, minor 1. @see NVMe Base 2.1, 3.1.4.2 */
export const VERSION_2_1 = 0x0002_0100

/**
 * Controller capabilities, 64 bits: shifts within the low word, and (`HIGH_`) within the high one.
 * @see NVMe Base 2.1, 3.1.4.1
 */
export const Cap = {
  /** Entries of a queue at most, 0's based. */
  MQES_MASK: 0xffff,
  /** Queues have to be contiguous. */
  CQR: 0x1_0000,
  AMS_SHIFT: 17,
  /** How long CSTS.RDY may take, in units of 500 ms. */
  TO_SHIFT: 24,
  /** Doorbells are 4 << DSTRD bytes apart. */
  HIGH_DSTRD_MASK: 0xf,
  HIGH_NSSRS: 0x10,
  HIGH_CSS_SHIFT: 5,
  HIGH_MPSMIN_SHIFT: 16,
  HIGH_MPSMAX_SHIFT: 20,
  HIGH_CMBS: 0x200_0000,
  /** Ready with media; every controller of NVMe 2.0 or later has it. */
  HIGH_CRWMS: 0x800_0000,
  HIGH_CRIMS: 0x1000_0000,
} as const

/** Controller configuration. @see NVMe Base 2.1, 3.1.4.5 */
export const Cc = {
  EN: 0x1,
  CSS_SHIFT: 4,
  MPS_SHIFT: 7,
  AMS_SHIFT: 11,
  SHN_SHIFT: 14,
  IOSQES_SHIFT: 16,
  IOCQES_SHIFT: 20,
} as const

/** Shutdown notification values of CC.SHN. */
export const Shn = { NONE: 0, NORMAL: 1, ABRUPT: 2 } as const

/** Controller status. @see NVMe Base 2.1, 3.1.4.6 */
export const Csts = {
  RDY: 0x1,
  CFS: 0x2,
  SHST_SHIFT: 2,
  SHST_MASK: 0xc,
  /** A reset of the subsystem has happened; written as 1 it is cleared. */
  NSSRO: 0x10,
} as const

/** Write this to NSSR for a reset of the subsystem: "NVMe". @see NVMe Base 2.1, figure 43 */
export const NSSR_RESET = 0x4e56_4d65

/**
 * Write one of these to NSSD for a shutdown of the subsystem: "Norm", "Abrt".
 * @see NVMe Base 2.1, figure 56
 */
export const NssdShutdown = { NORMAL: 0x4e6f_726d, ABRUPT: 0x4162_7274 } as const

/** Shutdown status values of CSTS.SHST. */
export const Shst = { NORMAL: 0, OCCURRING: 1, COMPLETE: 2 } as const

/** Size of a submission and of a completion queue entry, as powers of two. */
export const SQES = 6
export const CQES = 4
export const SQE_BYTES = 64
export const CQE_BYTES = 16
