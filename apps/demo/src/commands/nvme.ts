// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { Command } from 'commander'
import { UsageError } from '../cli/failure.ts'
import { type CommandIo, writeJson } from '../cli/output.ts'
import { parseChoice, parseCount } from '../cli/values.ts'
import { parseLocation } from '../copy/location.ts'
import { asLines } from '../nvme/fields.ts'
import {
  type Document,
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
} from '../nvme/inquiries.ts'
import { type NvmeSession, withController } from '../nvme/session.ts'

const FORMATS = ['normal', 'json'] as const
const U32_MAX = 2 ** 32 - 1

/** Options of one command, as text, by their names. */
type Raw = Readonly<Record<string, string | boolean | undefined>>

interface Option {
  /** As nvme-cli spells it. */
  readonly flags: string
  readonly description: string
  readonly fallback?: string
}

interface Inquiry {
  readonly name: string
  readonly description: string
  readonly options?: readonly Option[]
  /** It changes the namespace, and what is in it: only with --force. */
  readonly losesData?: boolean
  run(session: NvmeSession, raw: Raw): Op<Document>
}

const NSID: Option = {
  flags: '-n, --namespace-id <NSID>',
  description: 'the namespace',
  fallback: '1',
}
const FEATURE: Option = { flags: '-f, --feature-id <FID>', description: 'the feature' }

const inquiries: readonly Inquiry[] = [
  { name: 'list', description: 'list the namespaces', run: list },
  {
    name: 'list-ns',
    description: 'list the identifiers of the namespaces',
    options: [{ flags: '-a, --all', description: 'of all that are allocated' }],
    run: (session, raw) => listNs(session, isSet(raw, 'all')),
  },
  { name: 'id-ctrl', description: 'identify the controller', run: idCtrl },
  {
    name: 'id-ns',
    description: 'identify a namespace',
    options: [NSID],
    run: (session, raw) => idNs(session, number(raw, 'namespaceId')),
  },
  {
    name: 'ns-descs',
    description: 'the descriptors of a namespace',
    options: [NSID],
    run: (session, raw) => nsDescs(session, number(raw, 'namespaceId')),
  },
  { name: 'smart-log', description: 'the SMART / health log', run: smartLog },
  {
    name: 'error-log',
    description: 'the error log, newest first',
    options: [{ flags: '-e, --log-entries <N>', description: 'entries', fallback: '64' }],
    run: (session, raw) => errorLog(session, number(raw, 'logEntries', 1, 64)),
  },
  { name: 'fw-log', description: 'the firmware slot log', run: fwLog },
  {
    name: 'effects-log',
    description: 'the commands supported, and their effects',
    run: effectsLog,
  },
  { name: 'supported-log-pages', description: 'the log pages supported', run: supportedLogPages },
  {
    name: 'get-log',
    description: 'a log page as it is',
    options: [
      { flags: '-i, --log-id <LID>', description: 'the page' },
      { flags: '-l, --log-len <BYTES>', description: 'bytes of it', fallback: '512' },
    ],
    run: (session, raw) =>
      getLog(session, number(raw, 'logId', 0, 255), multipleOf4(number(raw, 'logLen', 4, 4096))),
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
    run: (session, raw) =>
      getFeature(
        session,
        number(raw, 'featureId', 0, 255),
        number(raw, 'sel', 0, 3),
        number(raw, 'namespaceId'),
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
    run: (session, raw) =>
      setFeature(session, number(raw, 'featureId', 0, 255), number(raw, 'value'), {
        nsid: number(raw, 'namespaceId'),
        save: isSet(raw, 'save'),
      }),
  },
  {
    name: 'format',
    description: 'format a namespace: all that is in it is lost',
    losesData: true,
    options: [
      NSID,
      {
        flags: '-l, --lbaf <LBAF>',
        description: '0: blocks of 512 bytes, 1: of 4096',
        fallback: '0',
      },
      { flags: '-s, --ses <SES>', description: 'secure erase: 0 none, 1 user data', fallback: '0' },
    ],
    run: (session, raw) =>
      format(
        session,
        number(raw, 'namespaceId'),
        number(raw, 'lbaf', 0, 15),
        number(raw, 'ses', 0, 7),
      ),
  },
  {
    name: 'show-regs',
    description: 'the registers of the controller',
    *run(session) {
      return showRegs(session)
    },
  },
]

/** The newer spellings of nvme-cli, by group. */
const GROUPS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  id: { ctrl: 'id-ctrl', ns: 'id-ns', 'ns-descs': 'ns-descs' },
  log: {
    smart: 'smart-log',
    error: 'error-log',
    'fw-slot': 'fw-log',
    effects: 'effects-log',
    'supported-log-pages': 'supported-log-pages',
    get: 'get-log',
  },
}

/** `iolayers nvme`, with nvme-cli's commands below it. */
export function nvmeCommand(io: CommandIo): Command {
  const command = new Command('nvme')
    .description('ask an NVMe controller over a file or over memory, as nvme-cli does')
    .addHelpText('before', example('id-ctrl'))
  for (const inquiry of inquiries) command.addCommand(inquiryCommand(io, inquiry, inquiry.name))
  for (const [group, members] of Object.entries(GROUPS)) {
    const parent = new Command(group).description(`the newer spelling: nvme ${group} …`)
    for (const [name, target] of Object.entries(members)) {
      const inquiry = inquiries.find((one) => one.name === target)
      if (inquiry !== undefined) parent.addCommand(inquiryCommand(io, inquiry, name))
    }
    command.addCommand(parent)
  }
  return command
}

function example(name: string): string {
  return ['Example:', `  iolayers nvme ${name} disk.img -o json`, ''].join('\n')
}

function inquiryCommand(io: CommandIo, inquiry: Inquiry, name: string): Command {
  const command = new Command(name)
    .description(inquiry.description)
    .argument('<TARGET>', 'a file, or mem:SIZE: a controller is made over it for this one command')
    .option('-o, --output-format <FORMAT>', FORMATS.join(' or '), 'normal')
    .option('--json', 'the same as -o json')
    .addHelpText('before', example(inquiry.name))
  for (const { flags, description, fallback } of inquiry.options ?? []) {
    command.option(flags, description, fallback)
  }
  if (inquiry.losesData === true) command.option('--force', 'yes, lose what is there')
  return command.action(async (target: string, raw: Raw) => {
    const given = isSet(raw, 'json') ? 'json' : String(rawOf(raw, 'outputFormat'))
    const outputFormat = parseChoice(given, '--output-format', FORMATS)
    if (inquiry.losesData === true && !isSet(raw, 'force')) {
      throw new UsageError(
        `${inquiry.name} loses what is in ${target}; say --force if that is meant`,
      )
    }
    const location = parseLocation(target, 'TARGET')
    const writes = inquiry.losesData === true
    const document = await withController(location, { writes }, (session) =>
      inquiry.run(session, raw),
    )
    if (outputFormat === 'json') writeJson(io, document)
    else io.stdout.write(`${asLines(document).join('\n')}\n`)
  })
}

function rawOf(raw: Raw, name: string): string | boolean | undefined {
  return raw[name]
}

function isSet(raw: Raw, name: string): boolean {
  return rawOf(raw, name) === true
}

/** Decimal, or hexadecimal after 0x. */
function number(raw: Raw, name: string, min = 0, max: number = U32_MAX): number {
  const text = rawOf(raw, name)
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  if (typeof text !== 'string') throw new UsageError(`missing ${flag}`)
  const digits = /^0x[0-9a-f]+$/i.test(text) ? String(Number.parseInt(text, 16)) : text
  return parseCount(digits, flag, { min, max })
}

function multipleOf4(value: number): number {
  if (value % 4 === 0) return value
  throw new UsageError(`--log-len is ${value}; it takes a multiple of 4`)
}
