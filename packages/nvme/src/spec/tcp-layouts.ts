// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The PDUs of NVMe/TCP as they lie on the wire: the headers, without digests, padding and data. Linux's names are in
// include/linux/nvme-tcp.h.

/** What all PDUs begin with. PDO is where the data begins, PLEN all of the PDU with digests and padding. @see NVMe TCP Transport 1.1, 3.6.1 */
export const TcpCommonHeaderLayout = {
  name: 'NVMe/TCP common header',
  size: 8,
  fields: {
    TYPE: { at: 0, bits: 8 },
    FLAGS: { at: 1, bits: 8 },
    HLEN: { at: 2, bits: 8 },
    PDO: { at: 3, bits: 8 },
    PLEN: { at: 4, bits: 32 },
  },
} as const

/** HPDA is in dwords, and like MAXR2T 0's based. @see NVMe TCP Transport 1.1, 3.6.2.1 */
export const TcpIcReqLayout = {
  name: 'ICReq PDU',
  size: 128,
  fields: {
    TYPE: { at: 0, bits: 8 },
    FLAGS: { at: 1, bits: 8 },
    HLEN: { at: 2, bits: 8 },
    PDO: { at: 3, bits: 8 },
    PLEN: { at: 4, bits: 32 },
    PFV: { at: 8, bits: 16 },
    HPDA: { at: 10, bits: 8 },
    HDGST: { at: 11, bits: 1 },
    DDGST: { at: 11, shift: 1, bits: 1 },
    MAXR2T: { at: 12, bits: 32 },
  },
} as const

/** CPDA is in dwords, 0's based; MAXH2CDATA in bytes. @see NVMe TCP Transport 1.1, 3.6.2.2 */
export const TcpIcRespLayout = {
  name: 'ICResp PDU',
  size: 128,
  fields: {
    TYPE: { at: 0, bits: 8 },
    FLAGS: { at: 1, bits: 8 },
    HLEN: { at: 2, bits: 8 },
    PDO: { at: 3, bits: 8 },
    PLEN: { at: 4, bits: 32 },
    PFV: { at: 8, bits: 16 },
    CPDA: { at: 10, bits: 8 },
    HDGST: { at: 11, bits: 1 },
    DDGST: { at: 11, shift: 1, bits: 1 },
    MAXH2CDATA: { at: 12, bits: 32 },
  },
} as const

/** H2CTermReq and C2HTermReq; the header that was wrong follows, up to 128 bytes of it. @see NVMe TCP Transport 1.1, 3.6.2.3, 3.6.2.4 */
export const TcpTermReqLayout = {
  name: 'Terminate Connection Request PDU',
  size: 24,
  fields: {
    TYPE: { at: 0, bits: 8 },
    FLAGS: { at: 1, bits: 8 },
    HLEN: { at: 2, bits: 8 },
    PDO: { at: 3, bits: 8 },
    PLEN: { at: 4, bits: 32 },
    FES: { at: 8, bits: 16 },
    FEI: { at: 10, bits: 32 },
  },
} as const

/** In-capsule data may follow. @see NVMe TCP Transport 1.1, 3.6.2.5 */
export const TcpCapsuleCmdLayout = {
  name: 'CapsuleCmd PDU',
  size: 72,
  fields: {
    TYPE: { at: 0, bits: 8 },
    FLAGS: { at: 1, bits: 8 },
    HLEN: { at: 2, bits: 8 },
    PDO: { at: 3, bits: 8 },
    PLEN: { at: 4, bits: 32 },
    SQE: { at: 8, bytes: 64 },
  },
} as const

/** @see NVMe TCP Transport 1.1, 3.6.2.6 */
export const TcpCapsuleRespLayout = {
  name: 'CapsuleResp PDU',
  size: 24,
  fields: {
    TYPE: { at: 0, bits: 8 },
    FLAGS: { at: 1, bits: 8 },
    HLEN: { at: 2, bits: 8 },
    PDO: { at: 3, bits: 8 },
    PLEN: { at: 4, bits: 32 },
    CQE: { at: 8, bytes: 16 },
  },
} as const

/** @see NVMe TCP Transport 1.1, 3.6.2.7 */
export const TcpH2cDataLayout = {
  name: 'H2CData PDU',
  size: 24,
  fields: {
    TYPE: { at: 0, bits: 8 },
    FLAGS: { at: 1, bits: 8 },
    HLEN: { at: 2, bits: 8 },
    PDO: { at: 3, bits: 8 },
    PLEN: { at: 4, bits: 32 },
    CCCID: { at: 8, bits: 16 },
    TTAG: { at: 10, bits: 16 },
    DATAO: { at: 12, bits: 32 },
    DATAL: { at: 16, bits: 32 },
  },
} as const

/** @see NVMe TCP Transport 1.1, 3.6.2.8 */
export const TcpC2hDataLayout = {
  name: 'C2HData PDU',
  size: 24,
  fields: {
    TYPE: { at: 0, bits: 8 },
    FLAGS: { at: 1, bits: 8 },
    HLEN: { at: 2, bits: 8 },
    PDO: { at: 3, bits: 8 },
    PLEN: { at: 4, bits: 32 },
    CCCID: { at: 8, bits: 16 },
    DATAO: { at: 12, bits: 32 },
    DATAL: { at: 16, bits: 32 },
  },
} as const

/** @see NVMe TCP Transport 1.1, 3.6.2.9 */
export const TcpR2tLayout = {
  name: 'R2T PDU',
  size: 24,
  fields: {
    TYPE: { at: 0, bits: 8 },
    FLAGS: { at: 1, bits: 8 },
    HLEN: { at: 2, bits: 8 },
    PDO: { at: 3, bits: 8 },
    PLEN: { at: 4, bits: 32 },
    CCCID: { at: 8, bits: 16 },
    TTAG: { at: 10, bits: 16 },
    R2TO: { at: 12, bits: 32 },
    R2TL: { at: 16, bits: 32 },
  },
} as const
