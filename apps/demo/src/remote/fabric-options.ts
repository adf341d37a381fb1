// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { ConnectOptions } from '@iolayers/nvme/tcp'
import type { Command } from 'commander'
import { parseCount } from '../cli/values.ts'

/** What is said of a connection, as text. */
export interface RawFabricOptions {
  readonly hostnqn?: string
  readonly hostid?: string
  readonly hdrDigest?: boolean
  readonly dataDigest?: boolean
  readonly nrIoQueues?: string
  readonly keepAliveTmo?: string
  readonly reconnectDelay?: string
  readonly ctrlLossTmo?: string
  readonly fastIoFailTmo?: string
}

/** The same, ready to connect with. */
export type FabricOptions = Omit<ConnectOptions, 'subsystemNqn' | 'host' | 'port'>

const SECONDS_MAX = 7 * 24 * 3600

/** Spelled as those of nvme-cli. */
export function addFabricOptions(command: Command): Command {
  return addHostOptions(command)
    .option('--nr-io-queues <N>', 'nvme+tcp: connections for I/O')
    .option('--keep-alive-tmo <SECONDS>', 'nvme+tcp: keep alive timeout; 0: none')
    .option(
      '--reconnect-delay <SECONDS>',
      'nvme+tcp: the longest time between two attempts to connect again',
    )
    .option('--ctrl-loss-tmo <SECONDS>', 'nvme+tcp: how long a controller may be away')
    .option('--fast-io-fail-tmo <SECONDS>', 'nvme+tcp: I/O fails when it is away for so long')
}

/** Those of them that a discovery has, too. */
export function addHostOptions(command: Command): Command {
  return command
    .option('--hostnqn <NQN>', 'nvme+tcp: the name of this host')
    .option('--hostid <UUID>', 'nvme+tcp: the identifier of this host')
    .option('--hdr-digest', 'nvme+tcp: CRC32C over the headers')
    .option('--data-digest', 'nvme+tcp: CRC32C over the data')
}

/** Throws UsageError. */
export function parseFabricOptions(raw: RawFabricOptions): FabricOptions {
  const ms = (text: string | undefined, flag: string): number | undefined =>
    text === undefined ? undefined : 1000 * parseCount(text, flag, { min: 0, max: SECONDS_MAX })
  const ioQueues =
    raw.nrIoQueues === undefined
      ? undefined
      : parseCount(raw.nrIoQueues, '--nr-io-queues', { min: 1, max: 64 })
  const given = {
    hostNqn: raw.hostnqn,
    hostId: raw.hostid,
    ioQueues,
    keepAliveMs: ms(raw.keepAliveTmo, '--keep-alive-tmo'),
    reconnectDelayMs: ms(raw.reconnectDelay, '--reconnect-delay'),
    ctrlLossTimeoutMs: ms(raw.ctrlLossTmo, '--ctrl-loss-tmo'),
    fastIoFailMs: ms(raw.fastIoFailTmo, '--fast-io-fail-tmo'),
  }
  const known = Object.entries(given).filter(([, value]) => value !== undefined)
  return {
    headerDigest: raw.hdrDigest === true,
    dataDigest: raw.dataDigest === true,
    ...(Object.fromEntries(known) as Partial<ConnectOptions>),
  }
}
