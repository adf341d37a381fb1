// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { UsageError } from '../cli/failure.ts'

/** A subsystem over NVMe/TCP, or one of its namespaces. */
export interface RemoteAddress {
  readonly kind: 'remote'
  /** As it was written. */
  readonly text: string
  readonly host: string
  readonly port: number
  readonly subsystemNqn: string
  /** A namespace identifier, or a UUID in lower case; null: the only one that there is. */
  readonly nid: number | string | null
}

const SCHEME = 'nvme+tcp://'
const PORT = 4420
const UUID = /^urn:uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i
/** HOST[:PORT]/NQN[/NID]; an IPv6 address stands in brackets. */
const ADDRESS = /^(\[[^\]]+\]|[^/:[\]]+)(?::(\d+))?\/([^/]+)(?:\/([^/]+))?$/

export function isRemote(text: string): boolean {
  return text.toLowerCase().startsWith(SCHEME)
}

/** `nvme+tcp://HOST[:4420]/SUBNQN[/NID]`. Throws UsageError. @see NVMe Boot Specification 1.1, 3.5 (nvme+tcp URI) */
export function parseRemote(text: string, name: string): RemoteAddress {
  const [, host, port = String(PORT), nqn, nid] = ADDRESS.exec(text.slice(SCHEME.length)) ?? []
  if (host === undefined || nqn === undefined) {
    throw wrong(text, name, `${SCHEME}HOST[:PORT]/SUBNQN[/NID]`)
  }
  const portNumber = Number(port)
  if (portNumber < 1 || portNumber > 65_535) throw wrong(text, name, 'a port from 1 to 65535')
  return {
    kind: 'remote',
    text,
    host: host.replace(/^\[|\]$/g, ''),
    port: portNumber,
    subsystemNqn: decoded(nqn, text, name),
    nid: nid === undefined ? null : parseNid(decoded(nid, text, name), text, name),
  }
}

function parseNid(nid: string, text: string, name: string): number | string {
  const uuid = UUID.exec(nid)?.[1]
  if (uuid !== undefined) return uuid.toLowerCase()
  const value = /^\d+$/.test(nid) ? Number(nid) : 0
  if (value >= 1 && value <= 0xffff_fffe) return value
  throw wrong(text, name, 'a namespace identifier or urn:uuid:… at its end')
}

function decoded(part: string, text: string, name: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw wrong(text, name, 'whole escapes after %')
  }
}

function wrong(text: string, name: string, accepted: string): UsageError {
  return new UsageError(`${name} is "${text}"; it takes ${accepted}`)
}
