// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk, DmabufTokenFactory } from '@iolayers/block-core'
import type { Device } from '@iolayers/dma-mapping'
import type { Kernel, KernelError, Op } from '@iolayers/kernel'
import { CtrlState } from '../../host/ctrl/ctrl-state.ts'
import type { Recovery } from '../../host/life/recovery.ts'
import { createNvmeHost, type NvmeHost } from '../../host/nvme-host.ts'
import type { ConnectSettings } from './connect-init.ts'
import type { LinkError } from './link-error.ts'
import type { Dial } from './link-socket.ts'
import { ReconnectRecovery } from './reconnect.ts'
import { RemoteController } from './remote-controller.ts'
import { openSession } from './session.ts'

const MS = 1e6

/** What becomes of a controller that was connected. */
export type LinkEvent =
  | { readonly kind: 'lost'; readonly error: KernelError }
  | {
      readonly kind: 'retrying'
      readonly attempt: number
      readonly delayMs: number
      readonly error: KernelError
    }
  | { readonly kind: 'reconnected'; readonly attempts: number }
  | { readonly kind: 'gone'; readonly error: KernelError }

export interface TcpHostComponents {
  readonly kernel: Kernel
  /** Whose memory the data comes from and goes to: the connection does DMA in its name. */
  readonly device: Device
  /** Without it no dma-buf can be registered. */
  readonly tokens?: DmabufTokenFactory
}

/** A controller that is somewhere else, driven from here. */
export interface TcpHost {
  /** The driver: all that can be done with a controller on PCIe can be done with this one. */
  readonly host: NvmeHost
  /** As in `host`: another list after each change. */
  readonly disks: readonly Disk[]
  readonly state: CtrlState
  /** Of the association that there is. */
  readonly controllerId: number
  /** How often it was connected anew. */
  readonly reconnects: number
  /**
   * Waits for what is in flight, shuts the controller down, and closes the connections. A controller that is away is given up at once. Idempotent. Throws
   * KernelError where the controller does not shut down; everything is given back then too.
   */
  shutdown(): Op<void>
  /** The same as a promise. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** @internal Throws LinkError for what is not to be reached, refuses us, or is no controller; KernelError as `NvmeHost.probe`. Nothing is left then. */
export function* connectHost(
  components: TcpHostComponents & { readonly dial: Dial },
  settings: ConnectSettings,
  onEvent: (event: LinkEvent) => void,
): Op<TcpHost> {
  const { kernel, device, dial, tokens } = components
  const session = {
    address: `${settings.host}:${settings.port}`,
    subsystemNqn: settings.subsystemNqn,
    hostNqn: settings.hostNqn,
    hostId: settings.hostId,
    headerDigest: settings.headerDigest,
    dataDigest: settings.dataDigest,
    keepAliveMs: settings.keepAliveMs,
    timeoutNs: settings.connectTimeoutMs * MS,
  }
  let remote: RemoteController | null = null
  let early: LinkError | null = null
  const first = yield* openSession({ kernel, dial }, session, (error) => {
    if (remote === null) early = error
    else remote.linkLost(error)
  })
  const away = new Away(settings, onEvent)
  const controller = new RemoteController(
    { kernel, dial, bus: device.bus },
    { ...session, ioQueues: settings.ioQueues, queueEntries: settings.queueDepth + 1 },
    { lost: (error) => away.lost(error) },
    first,
  )
  remote = controller
  away.remote = controller
  if (early !== null) controller.linkLost(early)
  const host = createNvmeHost(
    {
      kernel,
      device,
      bar: controller.bar,
      interrupts: (sink) => controller.connectInterrupts(sink),
      ...(tokens !== undefined && { tokens }),
      parts: { recovery: away.recoveryClass() },
    },
    {
      instance: settings.instance,
      ioQueues: settings.ioQueues,
      queueDepth: Math.max(1, Math.min(settings.queueDepth, first.queueEntries - 1)),
      sglOnly: true,
      keepAliveMs: settings.keepAliveMs,
      ioTimeoutNs: settings.ioTimeoutMs * MS,
    },
  )
  try {
    yield* host.probe()
  } catch (error) {
    controller.destroy()
    throw controller.failure ?? error
  }
  return new ConnectedHost(kernel, host, controller, away)
}

/** Between the connections, which are lost, and the driver, which does something about it. */
class Away {
  remote: RemoteController | null = null
  reconnects = 0
  #recovery: ReconnectRecovery | null = null
  readonly #settings: ConnectSettings
  readonly #onEvent: (event: LinkEvent) => void

  constructor(settings: ConnectSettings, onEvent: (event: LinkEvent) => void) {
    this.#settings = settings
    this.#onEvent = onEvent
  }

  get failure(): LinkError | null {
    return this.remote?.failure ?? null
  }

  lost(error: LinkError): void {
    const recovery = this.#recovery
    if (recovery === null) return
    if (recovery.state === CtrlState.LIVE) this.#onEvent({ kind: 'lost', error })
    recovery.lost()
  }

  abandon(): void {
    this.#recovery?.abandon()
    this.remote?.abandon()
  }

  retrying(attempt: number, delayMs: number, error: KernelError): void {
    this.#onEvent({ kind: 'retrying', attempt, delayMs, error })
  }

  connected(attempts: number): void {
    this.reconnects++
    this.#onEvent({ kind: 'reconnected', attempts })
  }

  gaveUp(error: KernelError): void {
    this.#onEvent({ kind: 'gone', error })
  }

  recoveryClass(): typeof Recovery {
    const away = this
    const settings = this.#settings
    return class extends ReconnectRecovery {
      constructor(...[dev, disable]: ConstructorParameters<typeof Recovery>) {
        super(dev, disable, settings, away)
        away.#recovery = this
      }
    }
  }
}

class ConnectedHost implements TcpHost {
  readonly host: NvmeHost
  readonly #kernel: Kernel
  readonly #controller: RemoteController
  readonly #away: Away

  constructor(kernel: Kernel, host: NvmeHost, controller: RemoteController, away: Away) {
    this.host = host
    this.#kernel = kernel
    this.#controller = controller
    this.#away = away
  }

  get disks(): readonly Disk[] {
    return this.host.disks
  }

  get state(): CtrlState {
    return this.host.state
  }

  get controllerId(): number {
    return this.#controller.controllerId
  }

  get reconnects(): number {
    return this.#away.reconnects
  }

  *shutdown(): Op<void> {
    this.#away.abandon()
    try {
      if (this.state === CtrlState.LIVE) yield* this.host.shutdown()
      else yield* this.host.remove()
    } catch (error) {
      throw this.#controller.failure ?? error
    } finally {
      this.#controller.destroy()
    }
  }

  close(): Promise<void> {
    return this.#kernel.scheduler.run('nvme/tcp close', this.shutdown())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
