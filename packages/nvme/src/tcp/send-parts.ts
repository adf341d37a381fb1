// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Socket } from 'node:net'

/** Hands bytes over in one go; `sent` is called when they are not looked at any more, also when the connection is gone. Does not throw. */
export function sendParts(socket: Socket, parts: readonly Uint8Array[], sent?: () => void): void {
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
}
