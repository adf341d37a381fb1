// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, KernelError } from '@iolayers/kernel'
import { within } from '../../controller/controller-init.ts'
import { makeNamespace } from '../../controller/io/namespace.ts'
import { NAMESPACES_MAX } from '../../controller/namespaces-max.ts'
import { DISCOVERY_NQN } from '../../spec/index.ts'
import { checkedNqn } from '../nqn.ts'
import { Association } from './association.ts'
import type { AssociationRequest, ConnectRegistry } from './connect.ts'
import { DISCOVERY_SUBSYSTEM, discoveryLog, type ListenAddress } from './discovery.ts'
import { QueueConnection } from './queue-connection.ts'
import type {
  HostEvent,
  PeerConnection,
  Subsystem,
  TargetLimits,
  TargetNamespace,
  TargetSettings,
} from './target-types.ts'

const CONTROLLERS_MAX = 0xffef
/** Subsystems do not change while they are served. */
const GENERATION = 1
/** A discovery controller moves little. */
const DISCOVERY_LIMITS = { ioQueues: 1, dataBytes: 4 << 20 } as const

/** What is served, and who is connected to it. Knows no sockets: connections are given to it. */
export class Target implements ConnectRegistry {
  readonly settings: TargetSettings
  readonly #kernel: Kernel
  readonly #onHost: (event: HostEvent) => void
  readonly #subsystems: Map<string, Subsystem>
  readonly #associations: Map<number, Association>
  readonly #connections: Set<QueueConnection>
  #lastId: number

  /** Throws KernelError EINVAL for a setting or a name out of range. */
  constructor(
    kernel: Kernel,
    subsystems: readonly Subsystem[],
    limits: TargetLimits = {},
    onHost: (event: HostEvent) => void = () => {},
  ) {
    this.#onHost = onHost
    this.#kernel = kernel
    this.settings = {
      hosts: ranged('hosts', limits.hosts ?? 16, 1, 1024),
      connections: ranged('connections', limits.connections ?? 128, 1, 65_535),
      ioQueues: ranged('ioQueues', limits.ioQueues ?? 8, 1, 64),
      queueEntries: ranged('queueEntries', limits.queueEntries ?? 128, 2, 1024),
      dataBytes: ranged('dataBytes', limits.dataBytes ?? 32 << 20, 1 << 20, 2 ** 31),
      mdtsBytes: ranged('mdtsBytes', limits.mdtsBytes ?? 1 << 20, 4096, 1 << 27),
    }
    if (this.settings.mdtsBytes > this.settings.dataBytes) {
      throw new KernelError('EINVAL', 'target: mdtsBytes is more than dataBytes')
    }
    this.#subsystems = new Map()
    for (const subsystem of subsystems) this.#add(subsystem)
    this.#associations = new Map()
    this.#connections = new Set()
    this.#lastId = 0
  }

  /** Hosts that are connected. */
  get associations(): readonly Association[] {
    return [...this.#associations.values()]
  }

  get connections(): number {
    return this.#connections.size
  }

  /** A connection that came. Null where there are too many: it is to be closed. */
  accept(peer: PeerConnection): QueueConnection | null {
    if (this.#connections.size >= this.settings.connections) return null
    const connection: QueueConnection = new QueueConnection({ registry: this, peer }, () => {
      this.#connections.delete(connection)
    })
    this.#connections.add(connection)
    return connection
  }

  subsystem(nqn: string): Subsystem | null {
    if (nqn === DISCOVERY_NQN) return DISCOVERY_SUBSYSTEM
    return this.#subsystems.get(nqn) ?? null
  }

  association(controllerId: number): Association | null {
    return this.#associations.get(controllerId) ?? null
  }

  create({ subsystem, hostNqn, hostId, at }: AssociationRequest): Association {
    if (this.#associations.size >= this.settings.hosts) {
      throw new KernelError('EBUSY', 'target: as many hosts as there can be')
    }
    const isDiscovery = subsystem === DISCOVERY_SUBSYSTEM
    const controllerId = this.#freeId()
    const about = { hostNqn, subsystem: subsystem.nqn, controllerId }
    const association = new Association(this.#kernel, {
      controllerId,
      hostNqn,
      hostId,
      subsystem,
      settings: isDiscovery ? { ...this.settings, ...DISCOVERY_LIMITS } : this.settings,
      ...(isDiscovery && { discoveryLog: () => this.#discoveryLog(hostNqn, at) }),
      ended: () => {
        this.#associations.delete(controllerId)
        this.#onHost({ kind: 'disconnected', ...about })
      },
    })
    this.#associations.set(controllerId, association)
    this.#onHost({ kind: 'connected', ...about })
    return association
  }

  /** Hosts that are connected hear of it. Throws KernelError ENOENT for a subsystem that is not there, EEXIST, EINVAL. */
  addNamespace(nqn: string, namespace: TargetNamespace): void {
    const subsystem = this.#known(nqn)
    const { nsid } = namespace
    checkNamespace(namespace)
    if (subsystem.namespaces.some((one) => one.nsid === nsid)) {
      throw new KernelError('EEXIST', `target: ${nqn} has a namespace ${nsid} already`)
    }
    this.#change(subsystem, [...subsystem.namespaces, namespace], ({ controller }) =>
      controller.addNamespace(nsid, namespace),
    )
  }

  /** Commands that are at its store end; the store stays the caller's. Throws KernelError ENOENT. */
  removeNamespace(nqn: string, nsid: number): void {
    const subsystem = this.#known(nqn)
    const left = subsystem.namespaces.filter((one) => one.nsid !== nsid)
    if (left.length === subsystem.namespaces.length) throw noNamespace(nqn, nsid)
    this.#change(subsystem, left, ({ controller }) => controller.removeNamespace(nsid))
  }

  /** Another store takes the place of the one that there is, as one that grew. Throws KernelError ENOENT, EINVAL. */
  replaceNamespace(nqn: string, namespace: TargetNamespace): void {
    const subsystem = this.#known(nqn)
    const { nsid } = namespace
    checkNamespace(namespace)
    if (!subsystem.namespaces.some((one) => one.nsid === nsid)) throw noNamespace(nqn, nsid)
    const now = subsystem.namespaces.map((one) => (one.nsid === nsid ? namespace : one))
    this.#change(subsystem, now, ({ controller }) => controller.replaceNamespace(nsid, namespace))
  }

  /** Ends all associations, and closes all connections. */
  close(): void {
    for (const association of this.associations) association.end()
    for (const connection of this.#connections) connection.associationEnded()
  }

  #known(nqn: string): Subsystem {
    const subsystem = this.#subsystems.get(nqn)
    if (subsystem !== undefined) return subsystem
    throw new KernelError('ENOENT', `target: there is no subsystem ${nqn}`)
  }

  #change(
    subsystem: Subsystem,
    namespaces: readonly TargetNamespace[],
    tell: (association: Association) => void,
  ): void {
    const { nqn } = subsystem
    for (const association of this.#associations.values()) {
      if (association.subsystem.nqn === nqn) tell(association)
    }
    this.#subsystems.set(nqn, { ...subsystem, namespaces })
  }

  #discoveryLog(hostNqn: string, at: ListenAddress): Uint8Array {
    return discoveryLog([...this.#subsystems.values()], hostNqn, at, GENERATION)
  }

  #add(subsystem: Subsystem): void {
    const { nqn } = subsystem
    checkedNqn('target: the name of a subsystem', nqn)
    if (this.#subsystems.has(nqn) || nqn === DISCOVERY_NQN) {
      throw new KernelError('EINVAL', `target: two subsystems are ${nqn}`)
    }
    const { namespaces } = subsystem
    for (const namespace of namespaces) checkNamespace(namespace)
    if (new Set(namespaces.map(({ nsid }) => nsid)).size < namespaces.length) {
      throw new KernelError('EINVAL', `target: two namespaces of ${nqn} have the same identifier`)
    }
    this.#subsystems.set(nqn, subsystem)
  }

  /** Each identifier in its turn: one that was just given back is not given out at once. */
  #freeId(): number {
    for (let tries = 0; tries < CONTROLLERS_MAX; tries++) {
      this.#lastId = this.#lastId === CONTROLLERS_MAX ? 1 : this.#lastId + 1
      if (!this.#associations.has(this.#lastId)) return this.#lastId
    }
    throw new KernelError('EBUSY', 'target: all controller identifiers are in use')
  }
}

/** What a controller would refuse, before there is one. Throws KernelError EINVAL. */
function checkNamespace({ nsid, ...namespace }: TargetNamespace): void {
  ranged('nsid', nsid, 1, NAMESPACES_MAX)
  makeNamespace(namespace)
}

function noNamespace(nqn: string, nsid: number): KernelError {
  return new KernelError('ENOENT', `target: ${nqn} has no namespace ${nsid}`)
}

function ranged(name: string, value: number, min: number, max: number): number {
  return within(`target: ${name}`, value, min, max)
}
