// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createConnection } from 'node:net'
import { Errno, type ErrnoName } from '@iolayers/kernel'
import { LinkError } from './host/link-error.ts'
import type { Dial } from './host/link-socket.ts'
import { sendParts } from './send-parts.ts'

/** Connections to one address. */
export function dialTcp(host: string, port: number): Dial {
  return (events) => {
    const socket = createConnection({ host, port, noDelay: true })
    let failure: LinkError | null = null
    let isTold = false
    socket.on('connect', () => events.connected())
    socket.on('data', (bytes) => events.received(bytes))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      failure = new LinkError(errnoOf(error), wordsOf(error))
    })
    socket.on('close', () => {
      if (isTold) return
      isTold = true
      events.disconnected(
        failure ?? new LinkError('ECONNRESET', 'the peer has closed the connection'),
      )
    })
    // Half of a connection is of no use.
    socket.on('end', () => socket.destroy())
    return {
      send: (parts, sent) => sendParts(socket, parts, sent),
      end: () => socket.destroySoon(),
      destroy: () => socket.destroy(),
    }
  }
}

function errnoOf({ code = '' }: NodeJS.ErrnoException): ErrnoName {
  if (code in Errno) return code as ErrnoName
  return code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? 'EHOSTUNREACH' : 'EIO'
}

/** Several addresses of one name may have failed, each in its own way. */
function wordsOf(error: NodeJS.ErrnoException): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors
      .map((one: unknown) => String(one instanceof Error ? one.message : one))
      .join('; ')
  }
  return error.message
}
