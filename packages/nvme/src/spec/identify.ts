// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Byte offsets in the Identify Controller data structure. @see NVMe Base 2.1, figure 312 */
export const IdCtrl = {
  VID: 0,
  SSVID: 2,
  SN: 4,
  MN: 24,
  FR: 64,
  RAB: 72,
  IEEE: 73,
  CMIC: 76,
  MDTS: 77,
  CNTLID: 78,
  VER: 80,
  RTD3R: 84,
  RTD3E: 88,
  OAES: 92,
  CTRATT: 96,
  CRDT1: 128,
  CRDT2: 130,
  CRDT3: 132,
  CNTRLTYPE: 111,
  OACS: 256,
  ACL: 258,
  AERL: 259,
  FRMW: 260,
  LPA: 261,
  ELPE: 262,
  NPSS: 263,
  APSTA: 265,
  WCTEMP: 266,
  CCTEMP: 268,
  MTFA: 270,
  HMPRE: 272,
  HMMIN: 276,
  TNVMCAP: 280,
  UNVMCAP: 296,
  KAS: 320,
  SANICAP: 328,
  SQES: 512,
  CQES: 513,
  MAXCMD: 514,
  NN: 516,
  ONCS: 520,
  FUSES: 522,
  FNA: 524,
  VWC: 525,
  AWUN: 526,
  AWUPF: 528,
  ICSVSCC: 530,
  NWPC: 531,
  ACWU: 532,
  /** OCFS before NVMe Base 2.1. */
  CDFS: 534,
  SGLS: 536,
  MNAN: 540,
  SUBNQN: 768,
  IOCCSZ: 1792,
  IORCSZ: 1796,
  ICDOFF: 1800,
  FCATT: 1802,
  MSDBD: 1803,
  PSD0: 2048,
} as const

export const SN_BYTES = 20
export const MN_BYTES = 40
export const FR_BYTES = 8
export const SUBNQN_BYTES = 256

/** SGLS bits 1:0, any alignment. @see NVMe Base 2.1, figure 312 */
export const SGLS_SUPPORTED = 1

/** Byte offsets in Identify Namespace. @see NVM Command Set 1.1, figure 114 */
export const IdNs = {
  NSZE: 0,
  NCAP: 8,
  NUSE: 16,
  NSFEAT: 24,
  NLBAF: 25,
  FLBAS: 26,
  MC: 27,
  DPC: 28,
  DPS: 29,
  NMIC: 30,
  RESCAP: 31,
  FPI: 32,
  DLFEAT: 33,
  NAWUN: 34,
  NAWUPF: 36,
  NACWU: 38,
  NOIOB: 46,
  NVMCAP: 48,
  NPWG: 64,
  NPWA: 66,
  NPDG: 68,
  NPDA: 70,
  NOWS: 72,
  MSSRL: 74,
  MCL: 76,
  MSRC: 80,
  ANAGRPID: 92,
  NSATTR: 99,
  NGUID: 104,
  EUI64: 120,
  LBAF0: 128,
} as const

/**
 * Byte offsets in the I/O Command Set Independent Identify Namespace data structure.
 * @see NVMe Base 2.1, figure 319
 */
export const IdNsIndependent = {
  NSFEAT: 0,
  NMIC: 1,
  RESCAP: 2,
  FPI: 3,
  ANAGRPID: 4,
  NSATTR: 8,
  NVMSETID: 10,
  ENDGID: 12,
  NSTAT: 14,
} as const

/** NSTAT: the namespace is ready. */
export const NSTAT_NRDY = 1

/** Types of namespace identification descriptors. @see NVMe Base 2.1, 5.1.13.2.3 */
export const Nidt = { EUI64: 1, NGUID: 2, UUID: 3, CSI: 4 } as const

export const IDENTIFY_BYTES = 4096
