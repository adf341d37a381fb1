// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Commands and structures of NVMe over Fabrics. Linux's names are in include/linux/nvme.h.

/** What all Fabrics commands have. @see NVMe Base 2.1, 6 */
export const FabricsCommandLayout = {
  name: 'Fabrics command',
  size: 64,
  fields: {
    OPC: { at: 0, bits: 8 },
    PSDT: { at: 1, shift: 6, bits: 2 },
    CID: { at: 2, bits: 16 },
    FCTYPE: { at: 4, bits: 8 },
  },
} as const

/** SQSIZE is 0's based, KATO in milliseconds. @see NVMe Base 2.1, 6.3 */
export const ConnectCommandLayout = {
  name: 'Connect command',
  size: 64,
  fields: {
    OPC: { at: 0, bits: 8 },
    PSDT: { at: 1, shift: 6, bits: 2 },
    CID: { at: 2, bits: 16 },
    FCTYPE: { at: 4, bits: 8 },
    SGL1: { at: 24, bytes: 16 },
    RECFMT: { at: 40, bits: 16 },
    QID: { at: 42, bits: 16 },
    SQSIZE: { at: 44, bits: 16 },
    CATTR: { at: 46, bits: 8 },
    KATO: { at: 48, bits: 32 },
  },
} as const

/** CNTLID FFFFh asks for any controller. @see NVMe Base 2.1, 6.3 */
export const ConnectDataLayout = {
  name: 'Connect command data',
  size: 1024,
  fields: {
    HOSTID: { at: 0, bytes: 16 },
    CNTLID: { at: 16, bits: 16 },
    SUBNQN: { at: 256, text: 256 },
    HOSTNQN: { at: 512, text: 256 },
  },
} as const

/** Dword 0 of the completion; authentication required, secure channel required. @see NVMe Base 2.1, 6.3 */
export const ConnectResponseLayout = {
  name: 'Connect response, success',
  size: 16,
  fields: {
    CNTLID: { at: 0, bits: 16 },
    ATR: { at: 0, shift: 17, bits: 1 },
    ASCR: { at: 0, shift: 18, bits: 1 },
  },
} as const

/** Where the invalid parameter is: in the entry, or with bit 0 of IATTR in the data. @see NVMe Base 2.1, 6.3 */
export const ConnectRefusalLayout = {
  name: 'Connect response, invalid parameters',
  size: 16,
  fields: {
    IPO: { at: 0, bits: 16 },
    IATTR: { at: 2, bits: 8 },
  },
} as const

/** ATTRIB 0: 4 bytes, 1: 8. @see NVMe Base 2.1, 6.6 */
export const PropertyGetCommandLayout = {
  name: 'Property Get command',
  size: 64,
  fields: {
    OPC: { at: 0, bits: 8 },
    PSDT: { at: 1, shift: 6, bits: 2 },
    CID: { at: 2, bits: 16 },
    FCTYPE: { at: 4, bits: 8 },
    ATTRIB: { at: 40, bits: 3 },
    OFST: { at: 44, bits: 32 },
  },
} as const

/** @see NVMe Base 2.1, 6.7 */
export const PropertySetCommandLayout = {
  name: 'Property Set command',
  size: 64,
  fields: {
    OPC: { at: 0, bits: 8 },
    PSDT: { at: 1, shift: 6, bits: 2 },
    CID: { at: 2, bits: 16 },
    FCTYPE: { at: 4, bits: 8 },
    ATTRIB: { at: 40, bits: 3 },
    OFST: { at: 44, bits: 32 },
    VALUE: { at: 48, big: 64 },
  },
} as const

/** @see NVMe Base 2.1, 6.4 */
export const DisconnectCommandLayout = {
  name: 'Disconnect command',
  size: 64,
  fields: {
    OPC: { at: 0, bits: 8 },
    PSDT: { at: 1, shift: 6, bits: 2 },
    CID: { at: 2, bits: 16 },
    FCTYPE: { at: 4, bits: 8 },
    RECFMT: { at: 40, bits: 16 },
  },
} as const

/** Entries of 1,024 bytes follow. @see NVMe Base 2.1, 5.1.12.3.1 */
export const DiscoveryLogHeaderLayout = {
  name: 'Discovery log page, header',
  size: 1024,
  fields: {
    GENCTR: { at: 0, big: 64 },
    NUMREC: { at: 8, big: 64 },
    RECFMT: { at: 16, bits: 16 },
  },
} as const

/** @see NVMe Base 2.1, 5.1.12.3.1 */
export const DiscoveryLogEntryLayout = {
  name: 'Discovery log page entry',
  size: 1024,
  fields: {
    TRTYPE: { at: 0, bits: 8 },
    ADRFAM: { at: 1, bits: 8 },
    SUBTYPE: { at: 2, bits: 8 },
    TREQ: { at: 3, bits: 8 },
    PORTID: { at: 4, bits: 16 },
    CNTLID: { at: 6, bits: 16 },
    ASQSZ: { at: 8, bits: 16 },
    EFLAGS: { at: 10, bits: 16 },
    TRSVCID: { at: 32, ascii: 32 },
    SUBNQN: { at: 256, text: 256 },
    TRADDR: { at: 512, ascii: 256 },
    TSAS: { at: 768, bytes: 256 },
  },
} as const
