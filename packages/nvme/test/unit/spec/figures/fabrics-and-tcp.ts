// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Figure } from './notation.ts'

export const fabricsAndTcp: { readonly [layout: string]: Figure } = {
  TcpCommonHeaderLayout: {
    source: 'NVMe TCP Transport 1.1, 3.6.1',
    size: 8,
    fields: `
      TYPE 0, FLAGS 1, HLEN 2, PDO 3, PLEN 7:4`,
  },
  TcpIcReqLayout: {
    source: 'NVMe TCP Transport 1.1, 3.6.2.1',
    size: 128,
    fields: `
      TYPE 0, FLAGS 1, HLEN 2, PDO 3, PLEN 7:4, PFV 9:8, HPDA 10, HDGST 11[0], DDGST 11[1], MAXR2T 15:12`,
  },
  TcpIcRespLayout: {
    source: 'NVMe TCP Transport 1.1, 3.6.2.2',
    size: 128,
    fields: `
      TYPE 0, FLAGS 1, HLEN 2, PDO 3, PLEN 7:4, PFV 9:8, CPDA 10, HDGST 11[0], DDGST 11[1], MAXH2CDATA 15:12`,
  },
  TcpTermReqLayout: {
    source: 'NVMe TCP Transport 1.1, 3.6.2.3',
    size: 24,
    fields: `
      TYPE 0, FLAGS 1, HLEN 2, PDO 3, PLEN 7:4, FES 9:8, FEI 13:10`,
  },
  TcpCapsuleCmdLayout: {
    source: 'NVMe TCP Transport 1.1, 3.6.2.5',
    size: 72,
    fields: `
      TYPE 0, FLAGS 1, HLEN 2, PDO 3, PLEN 7:4, SQE 71:8`,
  },
  TcpCapsuleRespLayout: {
    source: 'NVMe TCP Transport 1.1, 3.6.2.6',
    size: 24,
    fields: `
      TYPE 0, FLAGS 1, HLEN 2, PDO 3, PLEN 7:4, CQE 23:8`,
  },
  TcpH2cDataLayout: {
    source: 'NVMe TCP Transport 1.1, 3.6.2.7',
    size: 24,
    fields: `
      TYPE 0, FLAGS 1, HLEN 2, PDO 3, PLEN 7:4, CCCID 9:8, TTAG 11:10, DATAO 15:12, DATAL 19:16`,
  },
  TcpC2hDataLayout: {
    source: 'NVMe TCP Transport 1.1, 3.6.2.8',
    size: 24,
    fields: `
      TYPE 0, FLAGS 1, HLEN 2, PDO 3, PLEN 7:4, CCCID 9:8, DATAO 15:12, DATAL 19:16`,
  },
  TcpR2tLayout: {
    source: 'NVMe TCP Transport 1.1, 3.6.2.9',
    size: 24,
    fields: `
      TYPE 0, FLAGS 1, HLEN 2, PDO 3, PLEN 7:4, CCCID 9:8, TTAG 11:10, R2TO 15:12, R2TL 19:16`,
  },
  FabricsCommandLayout: {
    source: 'NVMe Base 2.1, 6',
    size: 64,
    fields: `
      OPC 0, PSDT 1[7:6], CID 3:2, FCTYPE 4`,
  },
  ConnectCommandLayout: {
    source: 'NVMe Base 2.1, 6.3',
    size: 64,
    fields: `
      OPC 0, PSDT 1[7:6], CID 3:2, FCTYPE 4, SGL1 39:24, RECFMT 41:40, QID 43:42, SQSIZE 45:44, CATTR 46, KATO 51:48`,
  },
  ConnectDataLayout: {
    source: 'NVMe Base 2.1, 6.3',
    size: 1024,
    fields: `
      HOSTID 15:0, CNTLID 17:16, SUBNQN 511:256, HOSTNQN 767:512`,
  },
  ConnectResponseLayout: {
    source: 'NVMe Base 2.1, 6.3',
    size: 16,
    fields: `
      CNTLID 1:0, ATR 3:0[17], ASCR 3:0[18]`,
  },
  ConnectRefusalLayout: {
    source: 'NVMe Base 2.1, 6.3',
    size: 16,
    fields: `
      IPO 1:0, IATTR 2`,
  },
  PropertyGetCommandLayout: {
    source: 'NVMe Base 2.1, 6.6',
    size: 64,
    fields: `
      OPC 0, PSDT 1[7:6], CID 3:2, FCTYPE 4, ATTRIB 40[2:0], OFST 47:44`,
  },
  PropertySetCommandLayout: {
    source: 'NVMe Base 2.1, 6.7',
    size: 64,
    fields: `
      OPC 0, PSDT 1[7:6], CID 3:2, FCTYPE 4, ATTRIB 40[2:0], OFST 47:44, VALUE 55:48`,
  },
  DisconnectCommandLayout: {
    source: 'NVMe Base 2.1, 6.4',
    size: 64,
    fields: `
      OPC 0, PSDT 1[7:6], CID 3:2, FCTYPE 4, RECFMT 41:40`,
  },
  DiscoveryLogHeaderLayout: {
    source: 'NVMe Base 2.1, 5.1.12.3.1',
    size: 1024,
    fields: `
      GENCTR 7:0, NUMREC 15:8, RECFMT 17:16`,
  },
  DiscoveryLogEntryLayout: {
    source: 'NVMe Base 2.1, 5.1.12.3.1',
    size: 1024,
    fields: `
      TRTYPE 0, ADRFAM 1, SUBTYPE 2, TREQ 3, PORTID 5:4, CNTLID 7:6, ASQSZ 9:8, EFLAGS 11:10, TRSVCID 63:32, SUBNQN 511:256, TRADDR 767:512, TSAS 1023:768`,
  },
}
