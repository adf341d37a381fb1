// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { within } from '../../controller/controller-init.ts'
import { TCP_PORT } from '../../spec/index.ts'
import { checkedNqn } from '../nqn.ts'

/** To what, and how: what `nvme connect` takes, spelled as here. */
export interface ConnectInit {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 4420. */
  readonly port?: number
  readonly subsystemNqn: string
  /** Who we are. Default: a name made of `hostId`. */
  readonly hostNqn?: string
  /** A UUID. Default: one that stands for this library. Hosts that reserve namespaces, or are told apart, need one each. */
  readonly hostId?: string
  /** CRC32C over the headers of PDUs. Default false. */
  readonly headerDigest?: boolean
  /** CRC32C over their data. Default false. */
  readonly dataDigest?: boolean
  /** Connections for I/O. Default 1. */
  readonly ioQueues?: number
  /** Commands in flight on each of them. Default 127. */
  readonly queueDepth?: number
  /** Number of the controller: its disks are nvme<instance>n1 and so on. Default 0. */
  readonly instance?: number
  /** The controller ends the association when it does not hear of us for so long, and we when it does not answer. 0: neither. Default 5,000. */
  readonly keepAliveMs?: number
  /** The longest time between two attempts to connect again; the first ones come sooner. Default 10,000. */
  readonly reconnectDelayMs?: number
  /** How long a controller may be away before it is given up, and its disks die. 0: it is given up at once. Default 600,000. */
  readonly ctrlLossTimeoutMs?: number
  /** While the controller is away, I/O waits; from so long on it ends with an error instead. Default: it waits as long as there is hope. */
  readonly fastIoFailMs?: number
  /** How long a command of an I/O queue may take before it is aborted, and at last the controller connected anew. Default 30,000. */
  readonly ioTimeoutMs?: number
  /** For each step of connecting, and for each answer. Default 10,000. */
  readonly connectTimeoutMs?: number
}

/** With nothing left out. */
export interface ConnectSettings {
  readonly host: string
  readonly port: number
  readonly subsystemNqn: string
  readonly hostNqn: string
  readonly hostId: Uint8Array
  readonly headerDigest: boolean
  readonly dataDigest: boolean
  readonly ioQueues: number
  readonly queueDepth: number
  readonly instance: number
  readonly keepAliveMs: number
  readonly reconnectDelayMs: number
  readonly ctrlLossTimeoutMs: number
  readonly fastIoFailMs: number
  readonly ioTimeoutMs: number
  readonly connectTimeoutMs: number
}

const DEFAULT_HOST_ID = '1d8b7c52-6c3e-4c0f-9a57-10a9e2500001'
const WEEK_MS = 7 * 24 * 3600 * 1000

/** Throws KernelError EINVAL. */
export function connectSettings(init: ConnectInit): ConnectSettings {
  const hostId = init.hostId ?? DEFAULT_HOST_ID
  const hostNqn = init.hostNqn ?? `nqn.2014-08.org.nvmexpress:uuid:${hostId}`
  return {
    host: init.host ?? '127.0.0.1',
    port: ranged('port', init.port ?? TCP_PORT, 1, 65_535),
    subsystemNqn: checkedNqn('connect: subsystemNqn', init.subsystemNqn),
    hostNqn: checkedNqn('connect: hostNqn', hostNqn),
    hostId: uuid(hostId),
    headerDigest: init.headerDigest ?? false,
    dataDigest: init.dataDigest ?? false,
    ioQueues: ranged('ioQueues', init.ioQueues ?? 1, 1, 64),
    queueDepth: ranged('queueDepth', init.queueDepth ?? 127, 1, 1023),
    instance: ranged('instance', init.instance ?? 0, 0, 65_535),
    keepAliveMs: ranged('keepAliveMs', init.keepAliveMs ?? 5_000, 0, WEEK_MS),
    reconnectDelayMs: ranged('reconnectDelayMs', init.reconnectDelayMs ?? 10_000, 1, WEEK_MS),
    ctrlLossTimeoutMs: ranged('ctrlLossTimeoutMs', init.ctrlLossTimeoutMs ?? 600_000, 0, WEEK_MS),
    fastIoFailMs:
      init.fastIoFailMs === undefined
        ? Number.POSITIVE_INFINITY
        : ranged('fastIoFailMs', init.fastIoFailMs, 0, WEEK_MS),
    ioTimeoutMs: ranged('ioTimeoutMs', init.ioTimeoutMs ?? 30_000, 1, WEEK_MS),
    connectTimeoutMs: ranged('connectTimeoutMs', init.connectTimeoutMs ?? 10_000, 1, WEEK_MS),
  }
}

function uuid(value: string): Uint8Array {
  const digits = value.replaceAll('-', '')
  if (!/^[0-9a-f]{32}$/i.test(digits)) {
    throw new KernelError('EINVAL', 'connect: hostId', { value, accepted: 'a UUID' })
  }
  return Uint8Array.from({ length: 16 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  )
}

function ranged(name: string, value: number, min: number, max: number): number {
  return within(`connect: ${name}`, value, min, max)
}
