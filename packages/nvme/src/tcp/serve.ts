// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createServer, type Server, type Socket } from 'node:net'
import { type Kernel, type Scheduler, Timer } from '@iolayers/kernel'
import { TCP_PORT } from '../spec/index.ts'
import { sendParts } from './send-parts.ts'
import type { QueueConnection } from './target/queue-connection.ts'
import { Target } from './target/target.ts'
import type {
  HostEvent,
  PeerConnection,
  Subsystem,
  TargetLimits,
  TargetNamespace,
} from './target/target-types.ts'

const LOOPBACK = '127.0.0.1'
/** A peer that does not read is not read from, either, while so much waits for it. */
const UNSENT_BYTES_MAX = 4 << 20
/** Until a connection has to be a queue. */
const CONNECT_TIMEOUT_NS = 10e9
/** Until a connection that we have ended has to be gone. */
const END_TIMEOUT_NS = 2e9

export interface ServeInit {
  readonly subsystems: readonly Subsystem[]
  /** 0: one that is free. Default 4420. */
  readonly port?: number
  /** Default 127.0.0.1: nobody else reaches it. */
  readonly host?: string
  readonly limits?: TargetLimits
  /** Called when a host has got a controller, and when it is gone. */
  readonly onHost?: (event: HostEvent) => void
}

/** Subsystems that hosts can connect to. */
export interface TcpTarget {
  readonly host: string
  readonly port: number
  /** Connections now, and hosts that have a controller. */
  readonly connections: number
  readonly associations: number
  /**
   * A namespace comes, goes, or has another store (as one that grew): hosts that are connected hear of it. Throw KernelError ENOENT for a subsystem or a
   * namespace that is not there, EEXIST for one that is, EINVAL.
   */
  addNamespace(nqn: string, namespace: TargetNamespace): void
  removeNamespace(nqn: string, nsid: number): void
  replaceNamespace(nqn: string, namespace: TargetNamespace): void
  /** Cuts all connections, as a network that fails does; it goes on listening. For tests of those who connect. */
  cut(): void
  /** Closes all connections and listens no more. Idempotent. The stores stay open: they are the caller's. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Serves subsystems over NVMe/TCP. Rejects with KernelError EINVAL for a setting out of range, or what the system says of the address
 * (EADDRINUSE, EACCES).
 */
export async function serve(
  components: { readonly kernel: Kernel },
  init: ServeInit,
): Promise<TcpTarget> {
  const { subsystems, limits, onHost } = init
  const target = new Target(components.kernel, subsystems, limits, onHost)
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) =>
    accept(components.kernel.scheduler, target, sockets, socket),
  )
  const host = init.host ?? LOOPBACK
  await listen(server, init.port ?? TCP_PORT, host)
  // A connection that could not be taken, for want of descriptors say, is that of one peer.
  server.on('error', () => {})
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  let closing: Promise<void> | null = null
  const close = (): Promise<void> => {
    closing ??= endAll(server, target, sockets)
    return closing
  }
  return {
    host,
    port,
    get connections() {
      return target.connections
    },
    get associations() {
      return target.associations.length
    },
    addNamespace: (nqn, namespace) => target.addNamespace(nqn, namespace),
    removeNamespace: (nqn, nsid) => target.removeNamespace(nqn, nsid),
    replaceNamespace: (nqn, namespace) => target.replaceNamespace(nqn, namespace),
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** The server says that it is closed before the last sockets do. */
async function endAll(server: Server, target: Target, sockets: Set<Socket>): Promise<void> {
  target.close()
  const gone = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
  for (const socket of sockets) socket.destroy()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  await Promise.all(gone)
}

function accept(scheduler: Scheduler, target: Target, sockets: Set<Socket>, socket: Socket): void {
  const connection = target.accept(peerOf(scheduler, socket))
  if (connection === null) {
    socket.destroy()
    return
  }
  sockets.add(socket)
  bind(scheduler, socket, connection)
  socket.on('close', () => sockets.delete(socket))
}

function bind(scheduler: Scheduler, socket: Socket, connection: QueueConnection): void {
  const timer = new Timer(scheduler, 'nvme/tcp connect', () => {
    if (!connection.isConnected) socket.destroy()
  })
  timer.arm(CONNECT_TIMEOUT_NS)
  socket.on('data', (bytes) => {
    connection.received(bytes)
    if (socket.writableLength > UNSENT_BYTES_MAX) socket.pause()
  })
  socket.on('drain', () => socket.resume())
  socket.on('end', () => connection.lost())
  socket.on('close', () => {
    timer.cancel()
    connection.lost()
  })
  // 'close' follows, and there is nobody to tell.
  socket.on('error', () => {})
}

function peerOf(scheduler: Scheduler, socket: Socket): PeerConnection {
  const timer = new Timer(scheduler, 'nvme/tcp end', () => socket.destroy())
  socket.on('close', () => timer.cancel())
  const { localAddress = '', localPort = 0 } = socket
  return {
    localAddress,
    localPort,
    send: (parts, sent) => sendParts(socket, parts, sent),
    end() {
      if (socket.destroyed) return
      socket.end()
      timer.arm(END_TIMEOUT_NS)
    },
    destroy: () => socket.destroy(),
  }
}
