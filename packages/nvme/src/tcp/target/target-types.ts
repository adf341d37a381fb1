// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { NamespaceStore } from '../../controller/contracts.ts'

/** A namespace of a subsystem. */
export interface TargetNamespace {
  readonly nsid: number
  /** The caller's; closed by nobody here. */
  readonly store: NamespaceStore
  /** 512 or 4096; 512 by default. */
  readonly logicalBlockBytes?: number
}

/** One subsystem, to which hosts connect by its name. */
export interface Subsystem {
  /** At most 223 bytes, `nqn.` first. */
  readonly nqn: string
  readonly serialNumber?: string
  readonly namespaces: readonly TargetNamespace[]
  /** Names of the hosts that may connect; left out, all. */
  readonly allowHosts?: readonly string[]
}

/** A host came to a subsystem, or went. */
export interface HostEvent {
  readonly kind: 'connected' | 'disconnected'
  readonly hostNqn: string
  readonly subsystem: string
  readonly controllerId: number
}

/** What a peer may have of the target. */
export interface TargetLimits {
  /** Connections at once, of all peers. Default 128. */
  readonly connections?: number
  /** Controllers at once, of all hosts: each has memory of its own. Default 16. */
  readonly hosts?: number
  /** I/O queues of one host. Default 8, at most 64. */
  readonly ioQueues?: number
  /** Entries of a queue. Default 128, at most 1024. */
  readonly queueEntries?: number
  /** Memory for data of commands that one host has at once. Default 32 MiB. */
  readonly dataBytes?: number
  /** Largest transfer of a command: a power of two. Default 1 MiB. */
  readonly mdtsBytes?: number
}

/** @internal With nothing left out. */
export interface TargetSettings {
  readonly connections: number
  readonly hosts: number
  readonly ioQueues: number
  readonly queueEntries: number
  readonly dataBytes: number
  readonly mdtsBytes: number
}

/** How bytes leave: one connection, as a queue sees it. */
export interface PeerConnection {
  /** Where the peer came to. */
  readonly localAddress: string
  readonly localPort: number
  /** Hands bytes over, in order; `sent` is called when they are not needed any more, also when the connection is gone. Does not throw. */
  send(parts: readonly Uint8Array[], sent?: () => void): void
  /** Sends what was handed over, and closes. Idempotent. */
  end(): void
  /** Closes at once. Idempotent. */
  destroy(): void
}
