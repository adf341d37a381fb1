// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Figure } from './notation.ts'

export const logsAndFeatures: { readonly [layout: string]: Figure } = {
  ApstEntryLayout: {
    source: 'NVMe Base 2.1, figure 393',
    size: 8,
    fields: `
      ITPS [7:3], ITPT [31:8]`,
  },
  ApstTableLayout: { source: 'NVMe Base 2.1, figure 393', size: 256, fields: 'APST 255:0' },
  ExtendedHostIdentifierDataLayout: {
    source: 'NVMe Base 2.1, figure 438',
    size: 16,
    fields: `
      HOSTID 15:0`,
  },
  HostBehaviorLayout: {
    source: 'NVMe Base 2.1, figure 407',
    size: 512,
    fields: `
      ACRE 0, ETDAS 1, LBAFEE 2, HDISNS 3, CDF2E 4[2], CDF3E 4[3], CDF4E 4[4]`,
  },
  HostIdentifierDataLayout: {
    source: 'NVMe Base 2.1, figure 438',
    size: 8,
    fields: `
      HOSTID [63:0]`,
  },
  HostMemoryAttributesLayout: {
    source: 'NVMe Base 2.1, figure 455',
    size: 4096,
    fields: `
      HSIZE 3:0, HMDLAL 7:4, HMDLAU 11:8, HMDLEC 15:12`,
  },
  HostMemoryDescriptorLayout: {
    source: 'NVMe Base 2.1, figure 453',
    size: 16,
    fields: `
      BADD 7:0, BSIZE 11:8`,
  },
  LbaRangeTypeLayout: {
    source: 'NVM Command Set 1.1, figure 95',
    size: 64,
    fields: `
      TYPE 0, LBARO 1[0], HLBAR 1[1], SLBA 23:16, NLB 31:24, GUID 47:32`,
  },
  TimestampLayout: {
    source: 'NVMe Base 2.1, figure 396',
    size: 8,
    fields: `
      TSTMP [47:0], SYNCH [48], TO [51:49]`,
  },
  ArbitrationLayout: {
    source: 'NVMe Base 2.1, figure 386',
    size: 4,
    fields: `
      AB [2:0], LPW [15:8], MPW [23:16], HPW [31:24]`,
  },
  AsyncEventConfigurationLayout: {
    source: 'NVMe Base 2.1, figure 391',
    size: 4,
    fields: `
      SHCW [7:0], NAN [8], FAN [9], TLN [10], ANACN [11], PLEALCN [12], LSIAN [13], EGEALCN [14],
      NNSSHDN [15], TTHRY [16], RASSN [17], RGRP0 [18], ANSAN [19], ZDCN [27], PMDRLPCN [28],
      ADLPCN [29], HDLPCN [30], DLPCN [31]`,
  },
  AutonomousPowerStateLayout: {
    source: 'NVMe Base 2.1, figure 392',
    size: 4,
    fields: `
      APSTE [0]`,
  },
  BootPartitionProtectionLayout: {
    source: 'NVMe Base 2.1, figure 442',
    size: 4,
    fields: `
      BP0WPS [2:0], BP1WPS [5:3]`,
  },
  EnduranceGroupEventsLayout: {
    source: 'NVMe Base 2.1, figure 409',
    size: 4,
    fields: `
      ENDGID [15:0], EGCW [23:16]`,
  },
  ErrorRecoveryLayout: {
    source: 'NVM Command Set 1.1, figure 96',
    size: 4,
    fields: `
      TLER [15:0], DULBE [16]`,
  },
  FeatureCapabilitiesLayout: {
    source: 'NVMe Base 2.1, figure 195',
    size: 4,
    fields: `
      SAVBL [0], NSSPEC [1], CHANGBL [2]`,
  },
  HostIdentifierLayout: { source: 'NVMe Base 2.1, figure 437', size: 4, fields: 'EXHID [0]' },
  HostMemoryBufferLayout: {
    source: 'NVMe Base 2.1, figure 447',
    size: 4,
    fields: `
      EHM [0], MR [1], HMNARE [2]`,
  },
  InterruptCoalescingLayout: {
    source: 'NVMe Base 2.1, figure 445',
    size: 4,
    fields: `
      THR [7:0], TIME [15:8]`,
  },
  InterruptVectorLayout: {
    source: 'NVMe Base 2.1, figure 446',
    size: 4,
    fields: `
      IV [15:0], CD [16]`,
  },
  IoCommandSetProfileLayout: {
    source: 'NVMe Base 2.1, figure 410',
    size: 4,
    fields: `
      IOCSCI [8:0]`,
  },
  KeepAliveTimerLayout: { source: 'NVMe Base 2.1, figure 397', size: 4, fields: 'KATO [31:0]' },
  LbaStatusAttributesLayout: {
    source: 'NVM Command Set 1.1, figure 99',
    size: 4,
    fields: `
      LSIRI [15:0], LSIPI [31:16]`,
  },
  NonOperationalPowerLayout: {
    source: 'NVMe Base 2.1, figure 399',
    size: 4,
    fields: `
      NOPPME [0]`,
  },
  NumberOfQueuesLayout: {
    source: 'NVMe Base 2.1, figure 444',
    size: 4,
    fields: `
      NSQA [15:0], NCQA [31:16]`,
  },
  NumberOfQueuesRequestLayout: {
    source: 'NVMe Base 2.1, figure 443',
    size: 4,
    fields: `
      NSQR [15:0], NCQR [31:16]`,
  },
  PowerLossSignalingLayout: { source: 'NVMe Base 2.1, figure 414', size: 4, fields: 'PLSM [1:0]' },
  PowerManagementLayout: {
    source: 'NVMe Base 2.1, figure 387',
    size: 4,
    fields: `
      PS [4:0], WH [7:5]`,
  },
  PredictableLatencyLayout: { source: 'NVMe Base 2.1, figure 403', size: 4, fields: 'PLE [0]' },
  ReadRecoveryLevelLayout: { source: 'NVMe Base 2.1, figure 401', size: 4, fields: 'RRL [3:0]' },
  ReservationNotificationLayout: {
    source: 'NVMe Base 2.1, figure 439',
    size: 4,
    fields: `
      REGPRE [1], RESREL [2], RESPRE [3]`,
  },
  ReservationPersistenceLayout: {
    source: 'NVMe Base 2.1, figure 440',
    size: 4,
    fields: `
      PTPL [0]`,
  },
  SanitizeConfigLayout: { source: 'NVMe Base 2.1, figure 408', size: 4, fields: 'NODRM [0]' },
  SoftwareProgressLayout: { source: 'NVMe Base 2.1, figure 436', size: 4, fields: 'PBSLC [7:0]' },
  SpinupControlLayout: { source: 'NVMe Base 2.1, figure 412', size: 4, fields: 'SPINUP [0]' },
  TemperatureThresholdLayout: {
    source: 'NVMe Base 2.1, figure 389',
    size: 4,
    fields: `
      TMPTH [15:0], TMPSEL [19:16], THSEL [21:20], TMPTHH [24:22]`,
  },
  ThermalManagementLayout: {
    source: 'NVMe Base 2.1, figure 398',
    size: 4,
    fields: `
      TMT2 [15:0], TMT1 [31:16]`,
  },
  VolatileWriteCacheLayout: { source: 'NVMe Base 2.1, figure 390', size: 4, fields: 'WCE [0]' },
  WriteAtomicityLayout: { source: 'NVM Command Set 1.1, figure 97', size: 4, fields: 'DN [0]' },
  WriteProtectionLayout: { source: 'NVMe Base 2.1, figure 441', size: 4, fields: 'WPS [2:0]' },
  AsyncEventLayout: {
    source: 'NVMe Base 2.1, figure 147',
    size: 4,
    fields: `
      AET [2:0], AEI [15:8], LID [23:16]`,
  },
  CommandEffectsLayout: {
    source: 'NVMe Base 2.1, figure 210',
    size: 4,
    fields: `
      CSUPP [0], UDCC [1], NCC [2], NIC [3], CCC [4], CSER [15:14], CSE [18:16], USS [19],
      CSP [31:20]`,
  },
  CommandEffectsLogLayout: {
    source: 'NVMe Base 2.1, figure 209',
    size: 4096,
    fields: `
      ACS 1023:0, IOCS 2047:1024`,
  },
  CriticalWarningLayout: {
    source: 'NVMe Base 2.1, figure 206',
    size: 1,
    fields: `
      ASCBT [0], TTC [1], NDR [2], AMRO [3], VMBF [4], PMRRO [5]`,
  },
  ErrorLogEntryLayout: {
    source: 'NVMe Base 2.1, figure 205',
    size: 64,
    fields: `
      ECNT 7:0, SQID 9:8, CID 11:10, P 12[0], STATUS 13:12[15:1], PELBY 14, PELBI 15[2:0],
      LBA 23:16, NSID 27:24, VSIA 28, TRTYPE 29, CSI 30, OPC 31, CSINFO 39:32, TTSI 41:40,
      LPVER 63`,
  },
  FeatureEffectsLayout: {
    source: 'NVMe Base 2.1, figure 262',
    size: 4,
    fields: `
      FSUPP [0], UDCC [1], NCC [2], NIC [3], CCC [4], USS [19], FSP [31:20]`,
  },
  FeatureEffectsLogLayout: {
    source: 'NVMe Base 2.1, figure 261',
    size: 1024,
    fields: 'FIS 1023:0',
  },
  FirmwareLogLayout: {
    source: 'NVMe Base 2.1, figure 208',
    size: 512,
    fields: `
      CAFSN 0[2:0], NRAFSN 0[6:4], FRS1 15:8, FRS2 23:16, FRS3 31:24, FRS4 39:32, FRS5 47:40,
      FRS6 55:48, FRS7 63:56`,
  },
  LbaRangeLayout: {
    source: 'NVM Command Set 1.1, figure 111',
    size: 16,
    fields: `
      RSLBA 7:0, RNLB 11:8`,
  },
  LbaStatusDescriptorLayout: {
    source: 'NVM Command Set 1.1, figure 132',
    size: 16,
    fields: `
      DSLBA 7:0, NLB 11:8, LBARS 13[2:0]`,
  },
  LbaStatusElementLayout: {
    source: 'NVM Command Set 1.1, figure 110',
    size: 16,
    fields: `
      NEID 3:0, NLRD 7:4, RATYPE 8`,
  },
  LbaStatusListLayout: {
    source: 'NVM Command Set 1.1, figure 131',
    size: 8,
    fields: `
      NLSD [31:0], CMPC [39:32]`,
  },
  LbaStatusLogLayout: {
    source: 'NVM Command Set 1.1, figure 109',
    size: 16,
    fields: `
      LSLPLEN 3:0, NLSLNE 7:4, ESTULB 11:8, LSGC 15:14`,
  },
  LidEffectsLayout: {
    source: 'NVMe Base 2.1, figure 204',
    size: 4,
    fields: `
      LSUPP [0], IOS [1], LIDSP [31:16]`,
  },
  MiCommandEffectsLayout: {
    source: 'NVMe Base 2.1, figure 264',
    size: 4,
    fields: `
      CSUPP [0], UDCC [1], NCC [2], NIC [3], CCC [4], CSP [31:20]`,
  },
  MiCommandEffectsLogLayout: {
    source: 'NVMe Base 2.1, figure 263',
    size: 4096,
    fields: `
      MICS 1023:0`,
  },
  SelfTestLogLayout: {
    source: 'NVMe Base 2.1, figure 211',
    size: 564,
    fields: `
      CDSTO 0[3:0], CDSTC 1[6:0], RES 563:4`,
  },
  SelfTestResultLayout: {
    source: 'NVMe Base 2.1, figure 212',
    size: 28,
    fields: `
      DSTR 0[3:0], STC 0[7:4], SEGN 1, NSIDV 2[0], FLBAV 2[1], SCTV 2[2], SCV 2[3], POH 11:4,
      NSID 15:12, FLBA 23:16, SCT 24[2:0], SC 25, VS 27:26`,
  },
  SmartLogLayout: {
    source: 'NVMe Base 2.1, figure 206',
    size: 512,
    fields: `
      CW 0, CTEMP 2:1, AVSP 3, AVSPT 4, PUSED 5, EGCWS 6, DUR 47:32, DUW 63:48, HRC 79:64,
      HWC 95:80, CBT 111:96, PWRC 127:112, POH 143:128, UPL 159:144, MDIE 175:160, NEILE 191:176,
      WCTT 195:192, CCTT 199:196, TSEN 215:200, TMT1TC 219:216, TMT2TC 223:220, TTTMT1 227:224,
      TTTMT2 231:228`,
  },
  SupportedLogsLayout: { source: 'NVMe Base 2.1, figure 203', size: 1024, fields: 'LIDS 1023:0' },
}
