// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Figure } from './notation.ts'

export const commands: { readonly [layout: string]: Figure } = {
  AbortCommandLayout: {
    source: 'NVMe Base 2.1, figure 143',
    size: 64,
    fields: `
      SQID CDW10[15:0], CID CDW10[31:16]`,
  },
  CreateIoCqCommandLayout: {
    source: 'NVMe Base 2.1, figures 473 to 475',
    size: 64,
    fields: `
      PRP1 31:24, QID CDW10[15:0], QSIZE CDW10[31:16], PC CDW11[0], IEN CDW11[1],
      IV CDW11[31:16]`,
  },
  CreateIoSqCommandLayout: {
    source: 'NVMe Base 2.1, figures 477 to 480',
    size: 64,
    fields: `
      PRP1 31:24, QID CDW10[15:0], QSIZE CDW10[31:16], PC CDW11[0], QPRIO CDW11[2:1],
      CQID CDW11[31:16], NVMSETID CDW12[15:0]`,
  },
  DeleteIoQueueCommandLayout: {
    source: 'NVMe Base 2.1, 5.2.3 and 5.2.4',
    size: 64,
    fields: `
      QID CDW10[15:0]`,
  },
  DeviceSelfTestCommandLayout: {
    source: 'NVMe Base 2.1, figures 171 and 172',
    size: 64,
    fields: `
      STC CDW10[3:0], DSTP CDW15[15:0]`,
  },
  DoorbellBufferConfigCommandLayout: {
    source: 'NVMe Base 2.1, figures 487 and 488',
    size: 64,
    fields: `
      PRP1 31:24, PRP2 39:32`,
  },
  FirmwareCommitCommandLayout: {
    source: 'NVMe Base 2.1, figure 181',
    size: 64,
    fields: `
      FS CDW10[2:0], CA CDW10[5:3], BPID CDW10[31]`,
  },
  FirmwareImageDownloadCommandLayout: {
    source: 'NVMe Base 2.1, figures 185 and 186',
    size: 64,
    fields: `
      NUMD CDW10, OFST CDW11`,
  },
  FormatNvmCommandLayout: {
    source: 'NVMe Base 2.1, figure 189',
    size: 64,
    fields: `
      LBAFL CDW10[3:0], MSET CDW10[4], PI CDW10[7:5], PIL CDW10[8], SES CDW10[11:9],
      LBAFU CDW10[13:12]`,
  },
  GetFeaturesCommandLayout: {
    source: 'NVMe Base 2.1, figures 192 and 193',
    size: 64,
    fields: `
      FID CDW10[7:0], SEL CDW10[10:8], CDW11 CDW11, UIDX CDW14[6:0]`,
  },
  GetLbaStatusCommandLayout: {
    source: 'NVM Command Set 1.1, figures 128 to 130',
    size: 64,
    fields: `
      SLBA 47:40, MNDW CDW12, RL CDW13[15:0], ATYPE CDW13[31:24]`,
  },
  GetLogPageCommandLayout: {
    source: 'NVMe Base 2.1, figures 197 to 201',
    size: 64,
    fields: `
      LID CDW10[7:0], LSP CDW10[14:8], RAE CDW10[15], NUMDL CDW10[31:16], NUMDU CDW11[15:0],
      LSI CDW11[31:16], LPOL CDW12, LPOU CDW13, UIDX CDW14[6:0], OT CDW14[23], CSI CDW14[31:24]`,
  },
  IdentifyCommandLayout: {
    source: 'NVMe Base 2.1, figures 307 to 309',
    size: 64,
    fields: `
      CNS CDW10[7:0], CNTID CDW10[31:16], CNSSID CDW11[15:0], CSI CDW11[31:24], UIDX CDW14[6:0]`,
  },
  NamespaceAttachmentCommandLayout: {
    source: 'NVMe Base 2.1, figure 364',
    size: 64,
    fields: `
      SEL CDW10[3:0]`,
  },
  NamespaceCreateLayout: {
    source: 'NVMe Base 2.1, figure 369; NVM Command Set 1.1, 4.1.6',
    size: 4096,
    fields: `
      NSZE 7:0, NCAP 15:8, FLBAS 26, DPS 29, NMIC 30, ANAGRPID 95:92, NVMSETID 101:100,
      ENDGID 103:102, LBSTM 391:384, NPHNDLS 393:392, PHNDL 767:512`,
  },
  NamespaceManagementCommandLayout: {
    source: 'NVMe Base 2.1, figures 367 and 368',
    size: 64,
    fields: `
      SEL CDW10[3:0], CSI CDW11[31:24]`,
  },
  SanitizeCommandLayout: {
    source: 'NVMe Base 2.1, figures 372 and 373',
    size: 64,
    fields: `
      SANACT CDW10[2:0], AUSE CDW10[3], OWPASS CDW10[7:4], OIPBP CDW10[8], NDAS CDW10[9],
      EMVS CDW10[10], OVRPAT CDW11`,
  },
  SetFeaturesCommandLayout: {
    source: 'NVMe Base 2.1, figures 383 and 384',
    size: 64,
    fields: `
      FID CDW10[7:0], SV CDW10[31], CDW11 CDW11, CDW12 CDW12, CDW13 CDW13, UIDX CDW14[6:0],
      CDW15 CDW15`,
  },
  ReadCommandLayout: {
    source: 'NVM Command Set 1.1, figures 51 to 57',
    size: 64,
    fields: `
      ELBTU 13:8, SLBA 47:40, NLB CDW12[15:0], CETYPE CDW12[19:16], STC CDW12[24],
      PRINFO CDW12[29:26], FUA CDW12[30], LR CDW12[31], DSM CDW13[7:0], ELBTL CDW14,
      ELBAT CDW15[15:0], ELBATM CDW15[31:16]`,
  },
  WriteCommandLayout: {
    source: 'NVM Command Set 1.1, figures 68 to 74',
    size: 64,
    fields: `
      LBTU 13:8, SLBA 47:40, NLB CDW12[15:0], CETYPE CDW12[19:16], DTYPE CDW12[23:20],
      STC CDW12[24], PRINFO CDW12[29:26], FUA CDW12[30], LR CDW12[31], DSM CDW13[7:0],
      DSPEC CDW13[31:16], LBTL CDW14, LBAT CDW15[15:0], LBATM CDW15[31:16]`,
  },
  CompareCommandLayout: {
    source: 'NVM Command Set 1.1, figures 24 to 29',
    size: 64,
    fields: `
      ELBTU 13:8, SLBA 47:40, NLB CDW12[15:0], CETYPE CDW12[19:16], STC CDW12[24],
      PRINFO CDW12[29:26], FUA CDW12[30], LR CDW12[31], CEV CDW13[15:0], ELBTL CDW14,
      ELBAT CDW15[15:0], ELBATM CDW15[31:16]`,
  },
  VerifyCommandLayout: {
    source: 'NVM Command Set 1.1, figures 59 to 64',
    size: 64,
    fields: `
      ELBTU 13:8, SLBA 47:40, NLB CDW12[15:0], CETYPE CDW12[19:16], STC CDW12[24],
      PRINFO CDW12[29:26], FUA CDW12[30], LR CDW12[31], CEV CDW13[15:0], ELBTL CDW14,
      ELBAT CDW15[15:0], ELBATM CDW15[31:16]`,
  },
  WriteUncorrectableCommandLayout: {
    source: 'NVM Command Set 1.1, figures 76 to 78',
    size: 64,
    fields: `
      SLBA 47:40, NLB CDW12[15:0], DTYPE CDW12[23:20], DSPEC CDW13[31:16]`,
  },
  WriteZeroesCommandLayout: {
    source: 'NVM Command Set 1.1, figures 80 to 86',
    size: 64,
    fields: `
      LBTU 13:8, SLBA 47:40, NLB CDW12[15:0], CETYPE CDW12[19:16], DTYPE CDW12[22:20],
      NSZ CDW12[23], STC CDW12[24], DEAC CDW12[25], PRINFO CDW12[29:26], FUA CDW12[30],
      LR CDW12[31], CEV CDW13[15:0], DSPEC CDW13[31:16], LBTL CDW14, LBAT CDW15[15:0],
      LBATM CDW15[31:16]`,
  },
  WriteZeroesResultLayout: {
    source: 'NVM Command Set 1.1, figure 87',
    size: 4,
    fields: `
      LBACZ [0]`,
  },
  DatasetManagementCommandLayout: {
    source: 'NVM Command Set 1.1, figures 44 and 45',
    size: 64,
    fields: `
      NR CDW10[7:0], IDR CDW11[0], IDW CDW11[1], AD CDW11[2]`,
  },
  AccessAttributesLayout: {
    source: 'NVM Command Set 1.1, figure 54',
    size: 1,
    fields: `
      AF [3:0], AL [5:4], SEQREQ [6], INCPRS [7]`,
  },
  ExtendedIoCommandLayout: {
    source: 'NVM Command Set 1.1, figures 55 and 72',
    size: 64,
    fields: `
      CEV CDW13[15:0], DSPEC CDW13[31:16]`,
  },
  DsmRangeLayout: {
    source: 'NVM Command Set 1.1, figures 46 and 47',
    size: 16,
    fields: `
      AF 3:0[3:0], AL 3:0[5:4], SRR 3:0[8], SWR 3:0[9], WPREP 3:0[10], CASZE 3:0[31:24], LLB 7:4,
      SLBA 15:8`,
  },
  CopyCommandLayout: {
    source: 'NVM Command Set 1.1, figures 32 to 37',
    size: 64,
    fields: `
      LBTU 13:8, SDLBA 47:40, NR CDW12[7:0], DESFMT CDW12[11:8], PRINFOR CDW12[15:12],
      CETYPE CDW12[19:16], DTYPE CDW12[23:20], STCW CDW12[24], STCR CDW12[25],
      PRINFOW CDW12[29:26], FUA CDW12[30], LR CDW12[31], CEV CDW13[15:0], DSPEC CDW13[31:16],
      LBTL CDW14, LBAT CDW15[15:0], LBATM CDW15[31:16]`,
  },
  CopyRange0Layout: {
    source: 'NVM Command Set 1.1, figure 39',
    size: 32,
    fields: `
      SLBA 15:8, NLB 19:16[15:0], CETYPE 19:16[19:16], CEV 21:20, ELBT 27:24, ELBAT 29:28,
      ELBATM 31:30`,
  },
  CopyRange2Layout: {
    source: 'NVM Command Set 1.1, figure 39',
    size: 32,
    fields: `
      SNSID 3:0, SLBA 15:8, NLB 19:16[15:0], CETYPE 19:16[19:16], CEV 21:20, SOPT 23:22,
      ELBT 27:24, ELBAT 29:28, ELBATM 31:30`,
  },
  CopyRange1Layout: {
    source: 'NVM Command Set 1.1, figure 40',
    size: 40,
    fields: `
      SLBA 15:8, NLB 19:16[15:0], CETYPE 19:16[19:16], CEV 21:20, ELBT 35:26, ELBAT 37:36,
      ELBATM 39:38`,
  },
  CopyRange3Layout: {
    source: 'NVM Command Set 1.1, figure 40',
    size: 40,
    fields: `
      SNSID 3:0, SLBA 15:8, NLB 19:16[15:0], CETYPE 19:16[19:16], CEV 21:20, SOPT 23:22,
      ELBT 35:26, ELBAT 37:36, ELBATM 39:38`,
  },
}
