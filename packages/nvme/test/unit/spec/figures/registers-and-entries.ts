// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Figure } from './notation.ts'

export const registersAndEntries: { readonly [layout: string]: Figure } = {
  CqeLayout: {
    source: 'NVMe Base 2.1, figures 96 to 98',
    size: 16,
    fields: `
      DW0 3:0, DW1 7:4, SQHD 9:8, SQID 11:10, CID 13:12, P 14[0], STATUS 15:14[15:1]`,
  },
  PrpLayout: { source: 'NVMe Base 2.1, 4.3.1', size: 8, fields: 'PBAO [63:0]' },
  SqeLayout: {
    source: 'NVMe Base 2.1, figures 91 and 92',
    size: 64,
    fields: `
      OPC 0, FUSE 1[1:0], PSDT 1[7:6], CID 3:2, NSID 7:4, CDW2 CDW2, CDW3 CDW3, MPTR 23:16,
      PRP1 31:24, PRP2 39:32, CDW10 CDW10, CDW11 CDW11, CDW12 CDW12, CDW13 CDW13, CDW14 CDW14,
      CDW15 CDW15`,
  },
  SqeSglLayout: { source: 'NVMe Base 2.1, figure 92 (DPTR)', size: 64, fields: 'SGL1 39:24' },
  StatusFieldLayout: {
    source: 'NVMe Base 2.1, 4.2.3',
    size: 2,
    fields: `
      P [0], SC [8:1], SCT [11:9], CRD [13:12], M [14], DNR [15]`,
  },
  CmbebsLayout: {
    source: 'NVMe Base 2.1, figure 54',
    size: 4,
    fields: `
      CMBSZU [3:0], CMBRBB [4], CMBWBZ [31:8]`,
  },
  CmblocLayout: {
    source: 'NVMe Base 2.1, figure 47',
    size: 4,
    fields: `
      BIR [2:0], CQMMS [3], CQPDS [4], CDPMLS [5], CDPCILS [6], CDMMMS [7], CQDA [8],
      OFST [31:12]`,
  },
  CmbmscLayout: {
    source: 'NVMe Base 2.1, figure 52',
    size: 8,
    fields: `
      CRE [0], CMSE [1], CBA [63:12]`,
  },
  CmbstsLayout: { source: 'NVMe Base 2.1, figure 53', size: 4, fields: 'CBAI [0]' },
  CmbswtpLayout: {
    source: 'NVMe Base 2.1, figure 55',
    size: 4,
    fields: `
      CMBSWTU [3:0], CMBSWTV [31:8]`,
  },
  CmbszLayout: {
    source: 'NVMe Base 2.1, figure 48',
    size: 4,
    fields: `
      SQS [0], CQS [1], LISTS [2], RDS [3], WDS [4], SZU [11:8], SZ [31:12]`,
  },
  PmrcapLayout: {
    source: 'NVMe Base 2.1, figure 58',
    size: 4,
    fields: `
      RDS [3], WDS [4], BIR [7:5], PMRTU [9:8], PMRWBM [13:10], PMRTO [23:16], CMSS [24]`,
  },
  PmrctlLayout: { source: 'NVMe Base 2.1, figure 59', size: 4, fields: 'EN [0]' },
  PmrebsLayout: {
    source: 'NVMe Base 2.1, figure 61',
    size: 4,
    fields: `
      PMRSZU [3:0], PMRRBB [4], PMRWBZ [31:8]`,
  },
  PmrmsclLayout: { source: 'NVMe Base 2.1, figure 63', size: 4, fields: 'CMSE [1], CBA [31:12]' },
  PmrmscuLayout: { source: 'NVMe Base 2.1, figure 64', size: 4, fields: 'CBA [31:0]' },
  PmrstsLayout: {
    source: 'NVMe Base 2.1, figure 60',
    size: 4,
    fields: `
      ERR [7:0], NRDY [8], HSTS [11:9], CBAI [12]`,
  },
  PmrswtpLayout: {
    source: 'NVMe Base 2.1, figure 62',
    size: 4,
    fields: `
      PMRSWTU [3:0], PMRSWTV [31:8]`,
  },
  AcqLayout: { source: 'NVMe Base 2.1, figure 46', size: 8, fields: 'ACQB [63:12]' },
  AqaLayout: { source: 'NVMe Base 2.1, figure 44', size: 4, fields: 'ASQS [11:0], ACQS [27:16]' },
  AsqLayout: { source: 'NVMe Base 2.1, figure 45', size: 8, fields: 'ASQB [63:12]' },
  BpinfoLayout: {
    source: 'NVMe Base 2.1, figure 49',
    size: 4,
    fields: `
      BPSZ [14:0], BRS [25:24], ABPID [31]`,
  },
  BpmblLayout: { source: 'NVMe Base 2.1, figure 51', size: 8, fields: 'BMBBA [63:12]' },
  BprselLayout: {
    source: 'NVMe Base 2.1, figure 50',
    size: 4,
    fields: `
      BPRSZ [9:0], BPROF [29:10], BPID [31]`,
  },
  CapLayout: {
    source: 'NVMe Base 2.1, figure 36',
    size: 8,
    fields: `
      MQES [15:0], CQR [16], AMS [18:17], TO [31:24], DSTRD [35:32], NSSRS [36], CSS [44:37],
      BPS [45], CPS [47:46], MPSMIN [51:48], MPSMAX [55:52], PMRS [56], CMBS [57], NSSS [58],
      CRWMS [59], CRIMS [60], NSSES [61]`,
  },
  CcLayout: {
    source: 'NVMe Base 2.1, figure 41',
    size: 4,
    fields: `
      EN [0], CSS [6:4], MPS [10:7], AMS [13:11], SHN [15:14], IOSQES [19:16], IOCQES [23:20],
      CRIME [24]`,
  },
  CrtoLayout: {
    source: 'NVMe Base 2.1, figure 57',
    size: 4,
    fields: `
      CRWMT [15:0], CRIMT [31:16]`,
  },
  CstsLayout: {
    source: 'NVMe Base 2.1, figure 42',
    size: 4,
    fields: `
      RDY [0], CFS [1], SHST [3:2], NSSRO [4], PP [5], ST [6]`,
  },
  RegistersLayout: {
    source: 'NVMe Base 2.1, figure 33',
    size: 4096,
    fields: `
      CAP 7:0, VS 11:8, INTMS 15:12, INTMC 19:16, CC 23:20, CSTS 31:28, NSSR 35:32, AQA 39:36,
      ASQ 47:40, ACQ 55:48, CMBLOC 59:56, CMBSZ 63:60, BPINFO 67:64, BPRSEL 71:68, BPMBL 79:72,
      CMBMSC 87:80, CMBSTS 91:88, CMBEBS 95:92, CMBSWTP 99:96, NSSD 103:100, CRTO 107:104,
      PMRCAP 3587:3584, PMRCTL 3591:3588, PMRSTS 3595:3592, PMREBS 3599:3596, PMRSWTP 3603:3600,
      PMRMSCL 3607:3604, PMRMSCU 3611:3608`,
  },
  VsLayout: {
    source: 'NVMe Base 2.1, figure 37',
    size: 4,
    fields: `
      TER [7:0], MNR [15:8], MJR [31:16]`,
  },
  SglBitBucketLayout: {
    source: 'NVMe Base 2.1, figure 118',
    size: 16,
    fields: `
      LEN 11:8, SUBTYPE 15[3:0], TYPE 15[7:4]`,
  },
  SglDataBlockLayout: {
    source: 'NVMe Base 2.1, figure 117',
    size: 16,
    fields: `
      ADDR 7:0, LEN 11:8, SUBTYPE 15[3:0], TYPE 15[7:4]`,
  },
  SglKeyedDataBlockLayout: {
    source: 'NVMe Base 2.1, figure 121',
    size: 16,
    fields: `
      ADDR 7:0, LEN 10:8, KEY 14:11, SUBTYPE 15[3:0], TYPE 15[7:4]`,
  },
  SglLayout: {
    source: 'NVMe Base 2.1, figure 114',
    size: 16,
    fields: `
      SUBTYPE 15[3:0], TYPE 15[7:4]`,
  },
  SglSegmentLayout: {
    source: 'NVMe Base 2.1, figures 119 and 120',
    size: 16,
    fields: `
      ADDR 7:0, LEN 11:8, SUBTYPE 15[3:0], TYPE 15[7:4]`,
  },
  SglTransportDataBlockLayout: {
    source: 'NVMe Base 2.1, figure 122',
    size: 16,
    fields: `
      LEN 11:8, SUBTYPE 15[3:0], TYPE 15[7:4]`,
  },
}
