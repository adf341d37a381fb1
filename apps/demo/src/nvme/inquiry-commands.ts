// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { UsageError } from '../cli/failure.ts'
import { asLines } from './fields.ts'
import { HUMAN, humanLines } from './human.ts'
import {
  effectsLog,
  errorLog,
  format,
  fwLog,
  getFeature,
  getLog,
  idCtrl,
  idNs,
  list,
  listNs,
  nsDescs,
  setFeature,
  showRegs,
  smartLog,
  supportedLogPages,
} from './inquiries.ts'
import {
  type Answer,
  type Document,
  isSet,
  NSID,
  type NvmeCommand,
  number,
  type Option,
  type Raw,
} from './nvme-command.ts'
import type { NvmeSession } from './session.ts'

const FEATURE: Option = { flags: '-f, --feature-id <FID>', description: 'the feature' }

/** What only asks, and what changes the controller, of which nothing stays. */
export const inquiryCommands: readonly NvmeCommand[] = [
  { name: 'list', description: 'list the namespaces', run: plain(list) },
  {
    name: 'list-ns',
    description: 'list the identifiers of the namespaces',
    options: [{ flags: '-a, --all', description: 'of all that are allocated' }],
    run: plain((session, raw) => listNs(session, isSet(raw, 'all'))),
  },
  { name: 'id-ctrl', description: 'identify the controller', run: plain(idCtrl), options: [HUMAN] },
  {
    name: 'id-ns',
    description: 'identify a namespace',
    options: [NSID, HUMAN],
    run: plain((session, raw) => idNs(session, number(raw, 'namespaceId'))),
  },
  {
    name: 'ns-descs',
    description: 'the descriptors of a namespace',
    options: [NSID],
    run: plain((session, raw) => nsDescs(session, number(raw, 'namespaceId'))),
  },
  { name: 'smart-log', description: 'the SMART / health log', run: plain(smartLog) },
  {
    name: 'error-log',
    description: 'the error log, newest first',
    options: [{ flags: '-e, --log-entries <N>', description: 'entries', fallback: '64' }],
    run: plain((session, raw) => errorLog(session, number(raw, 'logEntries', 1, 64))),
  },
  { name: 'fw-log', description: 'the firmware slot log', run: plain(fwLog) },
  {
    name: 'effects-log',
    description: 'the commands supported, and their effects',
    run: plain(effectsLog),
  },
  {
    name: 'supported-log-pages',
    description: 'the log pages supported',
    run: plain(supportedLogPages),
  },
  {
    name: 'get-log',
    description: 'a log page as it is',
    options: [
      { flags: '-i, --log-id <LID>', description: 'the page' },
      { flags: '-l, --log-len <BYTES>', description: 'bytes of it', fallback: '512' },
    ],
    run: plain((session, raw) =>
      getLog(session, number(raw, 'logId', 0, 255), multipleOf4(number(raw, 'logLen', 4, 4096))),
    ),
  },
  {
    name: 'get-feature',
    description: 'the value of a feature',
    options: [
      FEATURE,
      {
        flags: '-s, --sel <SEL>',
        description: 'current 0, default 1, saved 2, supported 3',
        fallback: '0',
      },
      { ...NSID, fallback: '0' },
    ],
    run: plain((session, raw) =>
      getFeature(
        session,
        number(raw, 'featureId', 0, 255),
        number(raw, 'sel', 0, 3),
        number(raw, 'namespaceId'),
      ),
    ),
  },
  {
    name: 'set-feature',
    description: 'set a feature; it is gone with the controller, when the command ends',
    options: [
      FEATURE,
      { flags: '-v, --value <VALUE>', description: 'dword 11' },
      { flags: '-s, --save', description: 'save it, too' },
      { ...NSID, fallback: '0' },
    ],
    run: plain((session, raw) =>
      setFeature(session, number(raw, 'featureId', 0, 255), number(raw, 'value'), {
        nsid: number(raw, 'namespaceId'),
        save: isSet(raw, 'save'),
      }),
    ),
  },
  {
    name: 'format',
    description: 'format a namespace: all that is in it is lost',
    writes: true,
    losesData: () => true,
    options: [
      NSID,
      {
        flags: '-l, --lbaf <LBAF>',
        description: '0: blocks of 512 bytes, 1: of 4096',
        fallback: '0',
      },
      { flags: '-s, --ses <SES>', description: 'secure erase: 0 none, 1 user data', fallback: '0' },
    ],
    run: plain((session, raw) =>
      format(
        session,
        number(raw, 'namespaceId'),
        number(raw, 'lbaf', 0, 15),
        number(raw, 'ses', 0, 7),
      ),
    ),
  },
  {
    name: 'show-regs',
    description: 'the registers of the controller',
    run: plain(function* (session) {
      return showRegs(session)
    }),
  },
]

/** A document, and with -H what its bits stand for. */
function plain(
  ask: (session: NvmeSession, raw: Raw) => Op<Document>,
): (session: NvmeSession, raw: Raw) => Op<Answer> {
  return function* (session, raw) {
    const document = yield* ask(session, raw)
    return isSet(raw, 'humanReadable')
      ? { document, lines: humanLines(document) }
      : { document, lines: asLines(document) }
  }
}

function multipleOf4(value: number): number {
  if (value % 4 === 0) return value
  throw new UsageError(`--log-len is ${value}; it takes a multiple of 4`)
}
