// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Figure } from './notation.ts'

export const identify: { readonly [layout: string]: Figure } = {
  IdCtrlLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 4096,
    fields: `
      VID 1:0, SSVID 3:2, SN 23:4, MN 63:24, FR 71:64, RAB 72, IEEE 75:73, CMIC 76, MDTS 77,
      CNTLID 79:78, VER 83:80, RTD3R 87:84, RTD3E 91:88, OAES 95:92, CTRATT 99:96, RRLS 101:100,
      BPCAP 102, NSSL 107:104, PLSI 110, CNTRLTYPE 111, FGUID 127:112, CRDT1 129:128,
      CRDT2 131:130, CRDT3 133:132, CRCAP 134, NVMSR 253, VWCI 254, MEC 255, OACS 257:256,
      ACL 258, AERL 259, FRMW 260, LPA 261, ELPE 262, NPSS 263, AVSCC 264, APSTA 265,
      WCTEMP 267:266, CCTEMP 269:268, MTFA 271:270, HMPRE 275:272, HMMIN 279:276,
      TNVMCAP 295:280, UNVMCAP 311:296, RPMBS 315:312, EDSTT 317:316, DSTO 318, FWUG 319,
      KAS 321:320, HCTMA 323:322, MNTMT 325:324, MXTMT 327:326, SANICAP 331:328, HMMINDS 335:332,
      HMMAXD 337:336, NSETIDMAX 339:338, ENDGIDMAX 341:340, ANATT 342, ANACAP 343,
      ANAGRPMAX 347:344, NANAGRPID 351:348, PELS 355:352, DOMAINID 357:356, KPIOC 358,
      MPTFAWR 361:360, MEGCAP 383:368, TMPTHHA 384, CQT 387:386, SQES 512, CQES 513,
      MAXCMD 515:514, NN 519:516, ONCS 521:520, FUSES 523:522, FNA 524, VWC 525, AWUN 527:526,
      AWUPF 529:528, ICSVSCC 530, NWPC 531, ACWU 533:532, CDFS 535:534, SGLS 539:536,
      MNAN 543:540, MAXDNA 559:544, MAXCNA 563:560, OAQD 567:564, RHIRI 568, HIRT 569,
      CMMRTD 571:570, NMMRTD 573:572, MINMRTG 574, MAXMRTG 575, TRATTR 576, MCUDMQ 579:578,
      MNSUDMQ 581:580, MCMR 583:582, NMCMR 585:584, MCDQPC 587:586, SUBNQN 1023:768,
      IOCCSZ 1795:1792, IORCSZ 1799:1796, ICDOFF 1801:1800, FCATT 1802, MSDBD 1803,
      OFCS 1805:1804, DCTYPE 1806, PSD 3071:2048, VS 4095:3072`,
  },
  IdCtrlNvmLayout: {
    source: 'NVM Command Set 1.1, figure 120',
    size: 4096,
    fields: `
      VSL 0, WZSL 1, WUSL 2, DMRL 3, DMRSL 7:4, DMSL 15:8, KPIOCAP 16, WZDSL 17, AOCS 19:18,
      VER 23:20, LBAMQF 24`,
  },
  AnacapLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 1,
    fields: `
      ROS [0], RNOS [1], RIS [2], RPLS [3], RCS [4], AGIDNC [6], ANSMS [7]`,
  },
  ApstaLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'APSTS [0]' },
  BpcapLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 1,
    fields: `
      RPMBBPWPS [1:0], SFBPWPS [2]`,
  },
  CmicLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 1,
    fields: `
      MPORTS [0], MCTRS [1], FT [2], ANARS [3]`,
  },
  CrcapLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'RRSUP [0], RGIDC [1]' },
  CtrattLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 4,
    fields: `
      HIDS [0], NOPSPM [1], NSETS [2], RRLVLS [3], EGS [4], PLM [5], TBKAS [6], NG [7], SQA [8],
      ULIST [9], MDS [10], FCM [11], VCM [12], DEG [13], DNVMS [14], ELBAS [15], MEM [16],
      HMBR [17], RHII [18], FDPS [19]`,
  },
  DstoLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'SDSO [0], HIRS [1]' },
  FcattLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'CNTRLM [0]' },
  HctmaLayout: { source: 'NVMe Base 2.1, figure 312', size: 2, fields: 'HCTM [0]' },
  KpiocLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'KPIOS [0], KPIOSC [1]' },
  MecLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'TWPME [0], PCIEME [1]' },
  NvmsrLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'NVMESD [0], NVMEE [1]' },
  OaesLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 4,
    fields: `
      NSAN [8], FAN [9], ANACN [11], PLEAN [12], LSIAN [13], EGEAN [14], NNSS [15], TTHR [16],
      RGCNS [17], ANSAN [19], ZDCN [27], DLPCN [31]`,
  },
  PlsiLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'PLSEPF [0], PLSFQ [1]' },
  RpmbsLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 4,
    fields: `
      NRPMBU [2:0], AM [5:3], TSZ [23:16], ASZ [31:24]`,
  },
  SanicapLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 4,
    fields: `
      CES [0], BES [1], OWS [2], VERS [3], NDI [29], NODMMAS [31:30]`,
  },
  TmpthhaLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'TMPTHMH [2:0]' },
  TrattrLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 1,
    fields: `
      THMCS [0], TUDCS [1], MRTLL [2]`,
  },
  VwciLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'VWCR [6:0], VWCRV [7]' },
  AvsccLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'AVSCF [0]' },
  CdfsLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 2,
    fields: `
      CDF0S [0], CDF1S [1], CDF2S [2], CDF3S [3], CDF4S [4]`,
  },
  EntrySizesLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 1,
    fields: `
      MIN [3:0], MAX [7:4]`,
  },
  FnaLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 1,
    fields: `
      FNS [0], SENS [1], CRYES [2], FNVMBS [3]`,
  },
  FrmwLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 1,
    fields: `
      FFSRO [0], NOFS [3:1], FAWR [4], SMUD [5]`,
  },
  FusesLayout: { source: 'NVMe Base 2.1, figure 312', size: 2, fields: 'FCWS [0]' },
  IcsvsccLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'ICSVSCF [0]' },
  LpaLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 1,
    fields: `
      SMARTS [0], CSES [1], LPEDS [2], TS [3], PES [4], MLPS [5], DA4S [6]`,
  },
  NwpcLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 1,
    fields: `
      NWPWPS [0], WPUPCS [1], PWPS [2]`,
  },
  OacsLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 2,
    fields: `
      SSRS [0], FNVMS [1], FWDS [2], NMS [3], DSTS [4], DIRS [5], NSRS [6], VMS [7], DBCS [8],
      GLSS [9], CFLS [10], HMLMS [11]`,
  },
  OfcsLayout: { source: 'NVMe Base 2.1, figure 312', size: 2, fields: 'DCS [0]' },
  OncsLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 2,
    fields: `
      NVMCMPS [0], NVMWUSV [1], NVMDSMSV [2], NVMWZSV [3], SSFS [4], RESERVS [5], TSS [6],
      NVMVFYS [7], NVMCPYS [8], NVMCSA [9], NVMAFC [10], MAXWZD [11], NSZS [12]`,
  },
  SglsLayout: {
    source: 'NVMe Base 2.1, figure 312',
    size: 4,
    fields: `
      SGLSS [1:0], KSDBDS [2], SDT [15:8], SBBDS [16], MBACMD [17], SLLTDS [18], MPTRSGLS [19],
      AOFFS [20], TSDBDS [21]`,
  },
  VwcLayout: { source: 'NVMe Base 2.1, figure 312', size: 1, fields: 'VWCP [0], FB [2:1]' },
  ControllerListLayout: {
    source: 'NVMe Base 2.1, figure 137',
    size: 4096,
    fields: `
      NUMID 1:0, CNTLID 4095:2`,
  },
  IoCommandSetsLayout: { source: 'NVMe Base 2.1, figure 327', size: 4096, fields: 'IOCSC 4095:0' },
  IoCommandSetVectorLayout: {
    source: 'NVMe Base 2.1, figure 328',
    size: 8,
    fields: `
      NVM [0], KV [1], ZNS [2], SLM [3], CPN [4]`,
  },
  NamespaceDescriptorLayout: {
    source: 'NVMe Base 2.1, figure 315',
    size: 4,
    fields: `
      NIDT [7:0], NIDL [15:8]`,
  },
  NamespaceGranularityLayout: {
    source: 'NVM Command Set 1.1, figure 124',
    size: 16,
    fields: `
      NSG 7:0, NCG 15:8`,
  },
  NamespaceGranularityListLayout: {
    source: 'NVM Command Set 1.1, figure 123',
    size: 4096,
    fields: `
      GDM 0[0], ND 4, NGD 1055:32`,
  },
  NamespaceListLayout: { source: 'NVMe Base 2.1, figure 138', size: 4096, fields: 'NSID 4095:0' },
  PrimaryControllerLayout: {
    source: 'NVMe Base 2.1, figure 330',
    size: 4096,
    fields: `
      CNTLID 1:0, PORTID 3:2, VQRT 4[0], VIRT 4[1], VQFRT 35:32, VQRFA 39:36, VQRFAP 41:40,
      VQPRT 43:42, VQFRSM 45:44, VQGRAN 47:46, VIFRT 67:64, VIRFA 71:68, VIRFAP 73:72,
      VIPRT 75:74, VIFRSM 77:76, VIGRAN 79:78`,
  },
  SecondaryControllerLayout: {
    source: 'NVMe Base 2.1, figure 332',
    size: 32,
    fields: `
      SCID 1:0, PCID 3:2, SCS 4[0], VFN 9:8, NVQ 11:10, NVI 13:12`,
  },
  SecondaryControllerListLayout: {
    source: 'NVMe Base 2.1, figure 331',
    size: 4096,
    fields: `
      NUMID 0, SC 4095:32`,
  },
  UuidEntryLayout: {
    source: 'NVMe Base 2.1, figure 321',
    size: 32,
    fields: `
      IDASS 0[1:0], UUID 31:16`,
  },
  UuidListLayout: { source: 'NVMe Base 2.1, figure 320', size: 4096, fields: 'UUID 4095:32' },
  DlfeatLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 1,
    fields: `
      DRB [2:0], WZDS [3], GDS [4]`,
  },
  DpcLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 1,
    fields: `
      PIT1S [0], PIT2S [1], PIT3S [2], PIIFB [3], PIILB [4]`,
  },
  DpsLayout: { source: 'NVM Command Set 1.1, figure 114', size: 1, fields: 'PIT [2:0], PIP [3]' },
  ExtendedLbaFormatLayout: {
    source: 'NVM Command Set 1.1, figure 119',
    size: 4,
    fields: `
      STS [6:0], PIF [8:7], QPIF [12:9]`,
  },
  FlbasLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 1,
    fields: `
      FIDXL [3:0], MTELBA [4], FIDXU [6:5]`,
  },
  FpiLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 1,
    fields: `
      FPII [6:0], FPIS [7]`,
  },
  IdNsIndependentLayout: {
    source: 'NVMe Base 2.1, figure 319',
    size: 4096,
    fields: `
      NSFEAT 0, NMIC 1, RESCAP 2, FPI 3, ANAGRPID 7:4, NSATTR 8, NVMSETID 11:10, ENDGID 13:12,
      NSTAT 14, KPIOS 15, MAXKT 17:16, RGRPID 23:20`,
  },
  IdNsLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 4096,
    fields: `
      NSZE 7:0, NCAP 15:8, NUSE 23:16, NSFEAT 24, NLBAF 25, FLBAS 26, MC 27, DPC 28, DPS 29,
      NMIC 30, RESCAP 31, FPI 32, DLFEAT 33, NAWUN 35:34, NAWUPF 37:36, NACWU 39:38, NABSN 41:40,
      NABO 43:42, NABSPF 45:44, NOIOB 47:46, NVMCAP 63:48, NPWG 65:64, NPWA 67:66, NPDG 69:68,
      NPDA 71:70, NOWS 73:72, MSSRL 75:74, MCL 79:76, MSRC 80, KPIOS 81, NULBAF 82,
      KPIODAAG 87:84, ANAGRPID 95:92, NSATTR 99, NVMSETID 101:100, ENDGID 103:102, NGUID 119:104,
      EUI64 127:120, LBAF 383:128, VS 4095:384`,
  },
  IdNsNvmLayout: {
    source: 'NVM Command Set 1.1, figure 118',
    size: 4096,
    fields: `
      LBSTM 7:0, PIC 8, PIFA 9, ELBAF 267:12, NPDGL 271:268, NPRG 275:272, NPRA 279:276,
      NORS 283:280, NPDAL 287:284, LBAPSS 291:288, TLBAAG 295:292`,
  },
  IndependentNsfeatLayout: {
    source: 'NVMe Base 2.1, figure 319',
    size: 1,
    fields: `
      UIDREUSE [3], RMEDIA [4], VWCNP [5]`,
  },
  LbaFormatLayout: {
    source: 'NVM Command Set 1.1, figure 116',
    size: 4,
    fields: `
      MS [15:0], LBADS [23:16], RP [25:24]`,
  },
  McLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 1,
    fields: `
      MTELBAS [0], MTSBS [1]`,
  },
  NmicLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 1,
    fields: `
      SHRNS [0], DISNS [1]`,
  },
  NsattrLayout: { source: 'NVM Command Set 1.1, figure 114', size: 1, fields: 'CWP [0]' },
  NsfeatLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 1,
    fields: `
      THINP [0], NSABP [1], DAE [2], UIDREUSE [3], OPTPERF [5:4], MAM [6], OPTRPERF [7]`,
  },
  NstatLayout: { source: 'NVMe Base 2.1, figure 319', size: 1, fields: 'NRDY [0], IOI [2:1]' },
  PicLayout: {
    source: 'NVM Command Set 1.1, figure 118',
    size: 1,
    fields: `
      PISTS16B [0], PISTM16B [1], STCRS [2], QPIFS [3]`,
  },
  RescapLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 1,
    fields: `
      PTPLS [0], WES [1], EAS [2], WEROS [3], EAROS [4], WEARS [5], EAARS [6], IEKM [7]`,
  },
  PowerStateLayout: {
    source: 'NVMe Base 2.1, figure 313',
    size: 32,
    fields: `
      MP 1:0, MXPS 3[0], NOPS 3[1], ENLAT 7:4, EXLAT 11:8, RRT 12[4:0], RRL 13[4:0], RWT 14[4:0],
      RWL 15[4:0], IDLP 17:16, IPS 18[7:6], ACTP 21:20, APW 22[2:0], APS 22[7:6], EPFRT 23,
      FQVT 24, EPFVT 25, EPFRTS 26[3:0], FQVTS 26[7:4], EPFVTS 27[3:0]`,
  },
  PifaLayout: { source: 'NVM Command Set 1.1, figure 118', size: 1, fields: 'STMLA [2:0]' },
  KpiosLayout: {
    source: 'NVM Command Set 1.1, figure 114',
    size: 1,
    fields: 'KPIOENS [0], KPIOSNS [1]',
  },
  KpiocapLayout: {
    source: 'NVM Command Set 1.1, figure 120',
    size: 1,
    fields: 'KPIOS [0], KPIOSC [1]',
  },
  AocsLayout: { source: 'NVM Command Set 1.1, figure 120', size: 2, fields: 'RALBAS [0]' },
}
