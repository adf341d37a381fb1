// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel, Op } from '@iolayers/kernel'
import { dialTcp } from './dial.ts'
import { type ConnectInit, connectSettings } from './host/connect-init.ts'
import { type DiscoverInit, type DiscoveryLog, discoverWith } from './host/discover.ts'
import {
  connectHost,
  type LinkEvent,
  type TcpHost,
  type TcpHostComponents,
} from './host/tcp-host.ts'

export interface ConnectOptions extends ConnectInit {
  /** Called when the connection is lost, and with what comes of that. */
  readonly onEvent?: (event: LinkEvent) => void
}

/**
 * Connects to a subsystem over NVMe/TCP, and makes disks of its namespaces. When the connection is lost later on, it is made again, and what was in flight is
 * handed over again. Rejects with KernelError: ECONNREFUSED and the like where nobody is reached, EACCES where we may not, EIO where the controller refuses, EPROTO for what
 * is no NVMe/TCP, ETIMEDOUT, EINVAL for a setting out of range, or what a probe fails with; nothing is left then.
 */
export function connect(components: TcpHostComponents, init: ConnectOptions): Promise<TcpHost> {
  return components.kernel.scheduler.run('nvme/tcp connect', connectOp(components, init))
}

/** The same as an operation. */
export function* connectOp(components: TcpHostComponents, init: ConnectOptions): Op<TcpHost> {
  const settings = connectSettings(init)
  const dial = dialTcp(settings.host, settings.port)
  return yield* connectHost({ ...components, dial }, settings, init.onEvent ?? (() => {}))
}

/** Asks a discovery controller which subsystems there are. Rejects with KernelError as `connect`. */
export function discover(
  components: { readonly kernel: Kernel },
  init: DiscoverInit = {},
): Promise<DiscoveryLog> {
  const { kernel } = components
  const op = discoverWith({ kernel, dial: dialTcp }, init)
  return kernel.scheduler.run('nvme/tcp discover', op)
}
