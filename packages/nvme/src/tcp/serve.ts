// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createServer, type Server, type Socket } from 'node:net'
import type { Kernel } from '@iolayers/kernel'
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
  const server = createServer({ noDelay: true }, (socket) => accept(target, sockets, socket))
  const host = init.host ?? LOOPBACK
  await listen(server, init.port ?? 4420, host)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  let closing: Promise<void> | null = null
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      target.close()
      for (const socket of sockets) socket.destroy()
      server.close(() => resolve())
    })
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

function accept(target: Target, sockets: Set<Socket>, socket: Socket): void {
  const connection = target.accept(peerOf(socket))
  if (connection === null) {
    socket.destroy()
    return
  }
  sockets.add(socket)
  bind(socket, connection)
  socket.on('close', () => sockets.delete(socket))
}

function bind(socket: Socket, connection: QueueConnection): void {
  socket.on('data', (bytes) => connection.received(bytes))
  socket.on('end', () => connection.lost())
  socket.on('close', () => connection.lost())
  // 'close' follows, and there is nobody to tell.
  socket.on('error', () => {})
}

function peerOf(socket: Socket): PeerConnection {
  const { localAddress = '', localPort = 0 } = socket
  return {
    localAddress,
    localPort,
    send(parts, sent) {
      if (socket.destroyed || socket.writableEnded) {
        sent?.()
        return
      }
      socket.cork()
      parts.forEach((part, i) => {
        if (i === parts.length - 1 && sent !== undefined) socket.write(part, () => sent())
        else socket.write(part)
      })
      socket.uncork()
    },
    end: () => socket.end(),
    destroy: () => socket.destroy(),
  }
}
